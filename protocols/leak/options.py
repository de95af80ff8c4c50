"""Settings of `leak`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evalkit.config.options import Options
from protocols.shared.transfer_plan import TransferOptions


class Tolerances(Options):
    """The largest number of each check that passes; docs/protocols/leak.md gives the reasons."""

    targets: Annotated[
        float,
        Field(ge=0, description="Change by other targets: relative, in radians, or of a pixel's range of 1."),
    ] = 1e-5
    alone: Annotated[
        float, Field(ge=0, description="The same where each target is encoded alone with the context.")
    ] = 1e-5
    pixels: Annotated[
        float, Field(ge=0, description="PSNR in dB of a transferred pose above the other scene's nearest frames.")
    ] = 6.0
    readable: Annotated[
        tuple[float, float, float, float],
        Field(description="Shares that poses tell of targets beyond the context, at 1, 2, 4, 8 pixels a side."),
    ] = (0.6, 0.25, 0.1, 0.1)
    se3: Annotated[float, Field(ge=0, description="Distance of cameras from rigid motions.")] = 1e-3
    kind: Annotated[float, Field(ge=0, description="1 where poses are of another kind than the card declares.")] = 0.0
    scale: Annotated[
        float,
        Field(
            ge=0, description="Change by another unit of length: relative, in radians, or the mean change of a pixel."
        ),
    ] = 1e-3
    repeat: Annotated[float, Field(ge=0, description="Change of answers to the same clip, as for targets.")] = 1e-5
    order: Annotated[
        float, Field(ge=0, description="Change of poses by another order of the views: relative, or in radians.")
    ] = 1e-3
    count: Annotated[
        float, Field(ge=0, description="Change of the other poses without one context view: relative, or in radians.")
    ] = 1e-3


class LeakOptions(TransferOptions):
    """Settings of leak: pairs of clips, how much targets are perturbed, and what is tolerated."""

    name: str = "leak"
    version: Annotated[Literal["2"], Field(description="Version of the protocol.")] = "2"
    perturbation: Annotated[
        float, Field(gt=0, lt=1, description="Targets are perturbed by uniform noise between plus and minus this.")
    ] = 0.02
    tolerance: Annotated[Tolerances, Field(description="The largest number of each check that passes.")] = Tolerances()
