"""Settings of `pose`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evalkit.card import TargetPose
from protocols.shared.clips import ClipOptions, Selection


class PoseOptions(ClipOptions):
    """Settings of pose: beside the frames, which pairs and numbers, and what the pose encoder sees."""

    name: str = "pose"
    version: Annotated[
        Literal["2", "noposplat", "vggt", "erayzer"],
        Field(description="Which pairs count and which numbers are printed: 2 (ours), noposplat, vggt or erayzer."),
    ] = "2"
    frames: Annotated[
        Selection,
        Field(
            description="window: as nvs draws them; spread: equally spaced from the first frame on; "
            "anywhere: drawn from the whole sequence."
        ),
    ] = Selection.WINDOW
    target_pose: Annotated[
        Literal[TargetPose.JOINT, TargetPose.CONTEXT_ONLY],
        Field(
            description="context_only: the pose encoder sees the context, and its views are scored; "
            "joint: it sees the targets too, and all views are scored."
        ),
    ] = TargetPose.CONTEXT_ONLY
    min_baseline: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Signed translation errors count only pairs at least this fraction of the clip's widest apart.",
        ),
    ] = 0.1
