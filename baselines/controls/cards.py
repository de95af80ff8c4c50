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


class FadeContextBaseline:
    """Fades in time between the context frames before and after the target: no use of pose, but of the clock."""

    class Options(ControlOptions):
        """No settings."""

        name: str = "fade_context"

    implementation = "baselines.controls.copies:FadeContext"
    card = replace(CopyContextBaseline.card, name="fade_context", summary="a fade in time between context frames")


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


class StaticBlurredBaseline:
    """Shows the blurred reference frame at every pose: blur alone raises PSNR and SSIM."""

    class Options(ControlOptions):
        """No settings."""

        name: str = "static_blurred"

    implementation = "baselines.controls.copies:StaticBlurred"
    card = replace(StaticBaseline.card, name="static_blurred", summary="the reference frame, blurred, always")


class MeanContextBaseline:
    """Shows the mean of the context frames at every pose."""

    class Options(ControlOptions):
        """No settings."""

        name: str = "mean_context"

    implementation = "baselines.controls.copies:MeanContext"
    card = replace(StaticBaseline.card, name="mean_context", summary="the mean of the context frames, always")


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


class HalfMotionBaseline:
    """Renders as `warp` does, at half the rotation and half the translation of each pose."""

    class Options(ControlOptions):
        """No settings."""

        name: str = "half_motion"

    implementation = "baselines.controls.partial_motion:HalfMotion"
    card = replace(
        ShuffledPosesBaseline.card,
        name="half_motion",
        summary="warp, at half of every motion",
        partial_truth=True,
    )


class FixedMotionBaseline:
    """Renders as `warp` does, on one arc for all clips: of the poses it uses their order from left to right alone."""

    class Options(ControlOptions):
        """No settings."""

        name: str = "fixed_motion"

    implementation = "baselines.controls.partial_motion:FixedMotion"
    card = replace(
        ShuffledPosesBaseline.card,
        name="fixed_motion",
        summary="warp on one arc for all clips, in the order of the true cameras",
        partial_truth=True,
    )


class BlendTargetBaseline:
    """Mixes 20 % of the target image, carried in its pose, into what `warp` renders."""

    class Options(ControlOptions):
        """No settings."""

        name: str = "blend_target"

    implementation = "baselines.controls.warping:BlendTarget"
    card = replace(
        WarpBaseline.card,
        name="blend_target",
        summary="warp, with 20 % of the target image mixed in",
        pose=PoseKind.BOTH,
        target_poses=CopyTargetBaseline.card.target_poses,
        partial_truth=True,
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
