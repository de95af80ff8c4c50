"""Settings of `object`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from evalkit.config.options import ComponentOptions
from evalkit.metrics.named import MetricNames
from evalkit.pixels import Profile


def _is_part(part: tuple[float, float]) -> tuple[float, float]:
    if not 0 < part[0] <= part[1] <= 1:
        raise ValueError(f"{list(part)}: expected [least,most] with 0 < least <= most <= 1")
    return part


class ObjectOptions(ComponentOptions):
    """Settings of object: which frames, what counts as a success, how renders are compared."""

    name: str = "object"
    version: Annotated[Literal["2"], Field(description="Version of the protocol.")] = "2"
    split: Annotated[
        Literal["uneven", "even"],
        Field(
            description="uneven: context frames at uneven steps over a part of the turn, some turns backwards, targets "
            "at drawn places between. even: equal steps around all of it, targets equally spaced between."
        ),
    ] = "uneven"
    context: Annotated[int, Field(ge=3, description="Context frames, on the longest part without a jump.")] = 6
    target: Annotated[int, Field(ge=1, description="Target frames, between the context frames.")] = 12
    part: Annotated[
        tuple[float, float],
        Field(description="[least,most] share of the frames that the part has; split=uneven only."),
        AfterValidator(_is_part),
    ] = (0.5, 1.0)
    backwards: Annotated[
        float, Field(ge=0, le=1, description="Share of the turns that are shown backwards; split=uneven only.")
    ] = 0.5
    unseen_deg: Annotated[
        float,
        Field(
            ge=0,
            description="A target counts if its camera is turned this many degrees from that of every context frame; "
            "split=uneven only.",
        ),
    ] = 10.0
    closed: Annotated[
        bool,
        Field(
            description="True: the camera makes a full turn. False: an arc, whose two ends are context frames. "
            "split=even only."
        ),
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
