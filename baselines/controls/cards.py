"""What each control declares: its card, and the class that implements it. Docs: docs/controls.md."""

from __future__ import annotations

from dataclasses import replace

from evalkit.card import Card, Need, PoseKind, TargetPose
from evalkit.config.options import ComponentOptions


class ControlOptions(ComponentOptions):
    """A control has no settings."""


class CopyContextBaseline:
    """Shows the context frame nearest in time to the target: sharp images, no use of pose."""

    class Options(ControlOptions):
        """No settings."""

        name: str = "copy_context"

    implementation = "baselines.controls.copies:CopyContext"
    card = Card(
        name="copy_context",
        summary="the context frame nearest in time",
        pose=PoseKind.LATENT,
        target_poses=(TargetPose.GIVEN, TargetPose.TRANSFER),
        needs=frozenset({Need.FRAME_NUMBERS}),
    )


class StaticBaseline:
    """Shows the reference frame at every pose; its poses are latents without content."""

    class Options(ControlOptions):
        """No settings."""

        name: str = "static"

    implementation = "baselines.controls.copies:Static"
    card = Card(
        name="static",
        summary="the reference frame, always",
        pose=PoseKind.LATENT,
        target_poses=(TargetPose.GIVEN, TargetPose.TRANSFER),
    )


class CopyTargetBaseline:
    """Carries the target image inside its pose: a perfect score wherever pixels may pass that way."""

    class Options(ControlOptions):
        """No settings."""

        name: str = "copy_target"

    implementation = "baselines.controls.copies:CopyTarget"
    card = Card(
        name="copy_target",
        summary="the target image itself, carried in its pose",
        pose=PoseKind.LATENT,
        target_poses=(TargetPose.JOINT, TargetPose.CONTEXT_ONLY, TargetPose.TRANSFER),
    )


class WarpBaseline:
    """Moves context pixels by true depth and cameras: the upper bound of what geometry alone can reach."""

    class Options(ControlOptions):
        """No settings."""

        name: str = "warp"

    implementation = "baselines.controls.warping:Warp"
    card = Card(
        name="warp",
        summary="context pixels moved by true depth and cameras",
        pose=PoseKind.SE3,
        target_poses=(TargetPose.GIVEN, TargetPose.TRANSFER, TargetPose.ALIGNED_SE3, TargetPose.ALIGNED_FREE),
        needs=frozenset({Need.CAMERAS, Need.INTRINSICS, Need.DEPTH}),
    )


class ShuffledPosesBaseline:
    """Renders as `warp` does, with the target poses of a sample permuted: good images from the wrong places."""

    class Options(ControlOptions):
        """No settings."""

        name: str = "shuffled_poses"

    implementation = "baselines.controls.warping:ShuffledPoses"
    card = replace(
        WarpBaseline.card,
        name="shuffled_poses",
        summary="warp, with the target poses permuted",
        target_poses=(TargetPose.GIVEN, TargetPose.TRANSFER),
    )


class NoMotionBaseline:
    """States that the camera never moves, as cameras instead of latents; shows the reference frame."""

    class Options(ControlOptions):
        """No settings."""

        name: str = "no_motion"

    implementation = "baselines.controls.constant_motion:NoMotion"
    card = Card(
        name="no_motion",
        summary="all cameras equal: no motion at all",
        pose=PoseKind.SE3,
        target_poses=(TargetPose.GIVEN, TargetPose.JOINT, TargetPose.CONTEXT_ONLY, TargetPose.TRANSFER),
    )


class DollyBaseline:
    """States that the camera moves straight ahead at constant speed: errors that ignore signs reward this prior."""

    class Options(ControlOptions):
        """No settings."""

        name: str = "dolly"

    implementation = "baselines.controls.constant_motion:Dolly"
    card = replace(
        NoMotionBaseline.card,
        name="dolly",
        summary="a straight dolly forward, by frame number",
        needs=frozenset({Need.FRAME_NUMBERS}),
    )
