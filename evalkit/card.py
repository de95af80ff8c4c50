"""What a method declares about itself. Planning a run needs no more of a method than its card."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Need(StrEnum):
    """What a method may ask for beside images; its card declares it, and it gets nothing else."""

    CAMERAS = "cameras"
    INTRINSICS = "intrinsics"
    DEPTH = "depth"
    FRAME_NUMBERS = "frame_numbers"


class TargetPose(StrEnum):
    """Where the poses of the rendered views come from. No table mixes two of these in one column."""

    GIVEN = "given"  # the dataset's cameras; target pixels are hidden
    JOINT = "joint"  # the pose encoder sees the targets together with the context
    CONTEXT_ONLY = "context_only"  # each target is encoded alone with the context
    ALIGNED_SE3 = "aligned_se3"  # given, then optimised on SE(3) against the target image (NoPoSplat)
    ALIGNED_FREE = "aligned_free"  # predicted, then optimised as a free 4x4 matrix (SPFSplat, NAS3R)
    INTERPOLATED = "interpolated"  # between the predicted poses of context views
    TRANSFER = "transfer"  # taken from another clip


class PoseKind(StrEnum):
    """What a PoseCode of the method holds."""

    LATENT = "latent"
    SE3 = "se3"
    BOTH = "both"


@dataclass(frozen=True)
class Card:
    """What a method declares about itself; `leak` protocols check it, tables print it.

    ``target_poses`` is in order of preference: a protocol takes the first that it can use.
    ``context_views`` and ``resolution`` None mean any; ``weights`` is the SHA-256 of the files it stands for.
    ``score_region``: the part of a target whose pixels its pose has not seen, where the pose sees one half by design.
    ``partial_truth``: a control that uses true poses or target images in part: tables show it outside the ranking.
    ``from_files``: renders were made earlier, one set a sample; a protocol cannot ask for others.
    """

    name: str
    summary: str
    pose: PoseKind
    target_poses: tuple[TargetPose, ...]
    needs: frozenset[Need] = frozenset()
    context_views: frozenset[int] | None = None
    resolution: int | None = None
    weights: str = ""
    trained_on: str = "nothing"
    licence: str = "Apache-2.0"
    paper: str = ""
    score_region: Literal["all", "right_half"] = "all"
    partial_truth: bool = False
    from_files: bool = False
