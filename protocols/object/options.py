"""Settings of `object`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evalkit.config.options import ComponentOptions
from evalkit.metrics.named import MetricNames
from evalkit.pixels import Profile


class ObjectOptions(ComponentOptions):
    """Settings of object: which frames, what counts as a success, how renders are compared."""

    name: str = "object"
    version: Annotated[Literal["1"], Field(description="Version of the protocol.")] = "1"
    context: Annotated[
        int, Field(ge=3, description="Context frames, equally spaced on the longest part of a sequence without a jump.")
    ] = 12
    target: Annotated[int, Field(ge=1, description="Target frames, equally spaced between the context frames.")] = 12
    closed: Annotated[
        bool,
        Field(description="True: the camera makes a full turn. False: an arc, whose two ends are context frames."),
    ] = True
    success_margin_db: Annotated[
        float,
        Field(ge=0, description="An object is reconstructed if its PSNR is this many dB above that of one colour."),
    ] = 3.0
    metrics: Annotated[MetricNames, Field(description="Image metrics by name; docs/metrics.md lists them.")] = (
        "psnr",
        "ssim",
        "lpips_vgg",
    )
    resolution: Annotated[int, Field(ge=16, description="Side of the square images in pixels.")] = 256
    preprocess: Annotated[Profile, Field(description="How frames become squares; docs/data.md lists the profiles.")] = (
        Profile.PIXELSPLAT
    )
