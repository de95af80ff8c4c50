"""Settings of `augmentation`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evalkit.config.options import ComponentOptions
from evalkit.data.augment_options import AugmentOptions
from evalkit.metrics.named import MetricNames
from evalkit.pixels import Profile
from protocols.shared.wide_clips import WideOptions


class AugmentationOptions(WideOptions, ComponentOptions):
    """Settings of augmentation: wide clips, how they are changed, and how renders are compared."""

    name: str = "augmentation"
    context: Annotated[int, Field(ge=2, description="Context views of a clip, equally spaced from end to end.")] = 5
    target: Annotated[int, Field(ge=1, description="Target views, spread over the gaps between context views.")] = 5
    clips: Annotated[int, Field(ge=1, description="Clips of each sequence, each in two augmentations.")] = 1
    resolution: Annotated[int, Field(ge=16, description="Side of the square images in pixels.")] = 256
    preprocess: Annotated[
        Profile, Field(description="How stored images become squares; docs/data.md lists the profiles.")
    ] = Profile.PIXELSPLAT
    augment: Annotated[AugmentOptions, Field(description="How clips are changed.")] = AugmentOptions()
    metrics: Annotated[MetricNames, Field(description="Image metrics by name; docs/metrics.md lists them.")] = (
        "psnr",
        "ssim",
        "lpips_vgg",
    )
