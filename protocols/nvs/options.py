"""Settings of `nvs`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evalkit.card import TargetPose
from evalkit.config.options import Options
from evalkit.index.slices import Rule
from evalkit.metrics.named import MetricNames
from protocols.shared.clips import ClipOptions
from protocols.shared.wide_clips import WideOptions


class AlignOptions(Options):
    """How target poses are fitted to the target image. Published: Adam, 5e-3, 100 steps, 0.05 LPIPS (vgg)."""

    steps: Annotated[int, Field(ge=1, description="Steps of Adam.")] = 100
    learning_rate: Annotated[float, Field(gt=0, description="Learning rate of Adam.")] = 0.005
    lpips: Annotated[
        float, Field(ge=0, description="Weight of LPIPS (vgg) beside the squared error; 0 needs no weights.")
    ] = 0.05


class NvsOptions(ClipOptions):
    """Settings of nvs: beside the frames, which of a list are scored, target poses, and metrics."""

    name: str = "nvs"
    target: Annotated[
        Annotated[int, Field(ge=1)] | None, Field(description="Target views of a clip; null: the dataset's number.")
    ] = None
    drop_last: Annotated[
        tuple[int, int] | None,
        Field(description="[processes,batch]: only the samples that the released loaders of RayZer and LVSM score."),
    ] = None
    overlap: Annotated[
        Rule,
        Field(description="How the overlap that a list says becomes small, medium, large: stated (papers) or shipped."),
    ] = Rule.STATED
    target_pose: Annotated[
        TargetPose | None,
        Field(
            description="given, joint, context_only, aligned_se3 or aligned_free; "
            "null: the first that the method offers."
        ),
    ] = None
    wide: Annotated[
        WideOptions,
        Field(
            description="The second clip of a sample, which is scored half-blind; with a list: the list's own frames."
        ),
    ] = WideOptions()
    align: Annotated[AlignOptions, Field(description="The fit of aligned_se3 and aligned_free.")] = AlignOptions()
    metrics: Annotated[MetricNames, Field(description="Image metrics by name; docs/metrics.md lists them.")] = (
        "psnr",
        "ssim",
        "lpips_vgg",
    )
