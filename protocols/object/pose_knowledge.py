"""What a method knows about the dataset's poses, by its card. Needs no tensor."""

from __future__ import annotations

from evalkit.card import Card, Need, PoseKind, TargetPose


def has_own_cameras(card: Card) -> bool:
    """Whether a method predicts explicit cameras itself, instead of passing the dataset's cameras through."""
    takes_dataset_cameras = Need.CAMERAS in card.needs and TargetPose.GIVEN in card.target_poses
    return card.pose is not PoseKind.LATENT and not takes_dataset_cameras


def is_given_poses(card: Card) -> bool:
    """Whether a method is given the dataset's cameras or times, and need not find out where frames were taken."""
    return not has_own_cameras(card) and not card.needs.isdisjoint({Need.CAMERAS, Need.FRAME_NUMBERS})
