"""Settings of `evalkit.data.augment`. Imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from evalkit.config.options import Options


class AugmentOptions(Options):
    """How often and how much a clip changes in colour and sharpness; the defaults are XFactor's, in training."""

    jitter: Annotated[float, Field(ge=0, le=1, description="Probability of a change of colours.")] = 0.9
    brightness: Annotated[float, Field(ge=0, le=1, description="Brightness changes by a factor in 1 ± this.")] = 0.2
    contrast: Annotated[
        float, Field(ge=0, le=1, description="Contrast, about the clip's mean grey, changes by a factor in 1 ± this.")
    ] = 0.2
    saturation: Annotated[float, Field(ge=0, le=1, description="Saturation changes by a factor in 1 ± this.")] = 0.2
    hue: Annotated[float, Field(ge=0, le=0.5, description="Hue moves by at most this share of the colour circle.")] = (
        0.05
    )
    blur: Annotated[float, Field(ge=0, le=1, description="Probability of a Gaussian blur.")] = 0.3
    sigma: Annotated[
        tuple[float, float], Field(description="[smallest,largest] standard deviation of the blur in pixels.")
    ] = (0.1, 2.0)
    kernel: Annotated[int, Field(ge=1, description="Side of the blur's window in pixels, odd.")] = 7

    @field_validator("sigma")
    @classmethod
    def _in_order(cls, sigma: tuple[float, float]) -> tuple[float, float]:
        if not 0 < sigma[0] <= sigma[1]:
            raise ValueError("expected [smallest,largest] in pixels, both above 0, such as [0.1,2.0]")
        return sigma

    @field_validator("kernel")
    @classmethod
    def _has_a_middle(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError("expected an odd number of pixels, such as 7")
        return kernel
