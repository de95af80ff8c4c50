"""The `vggt` oracle: VGGT-1B as XFactor uses it to measure TPS.

Facts from `vggt/oracle.py` of vsitzmann/xfactor-nvs@d0dd984 and from facebookresearch/vggt@44b3afb.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evalkit.config.options import ComponentOptions
from evalkit.oracles.networks.packages import installed_version
from evalkit.oracles.oracle import Identity
from evalkit.weights.catalogue import find
from evalkit.weights.store import locate

WEIGHTS = "vggt-1b"
SIDE = 518  # pixels: the resolution that VGGT was trained at, 37 patches of 14


class VggtOptions(ComponentOptions):
    """Settings of VGGT."""

    name: str = "vggt"
    revision: Annotated[
        Literal["860abec7937da0a4c03c41d3c269c366e82abdf9"],
        Field(description="Revision of facebook/VGGT-1B: the weights that the catalogue names."),
    ] = "860abec7937da0a4c03c41d3c269c366e82abdf9"
    precision: Annotated[
        Literal["bfloat16", "float32"],
        Field(description="Precision of the aggregator, bfloat16 as XFactor; the camera head is always float32."),
    ] = "bfloat16"
    reference: Annotated[
        Literal["middle", "first"], Field(description="The frame that VGGT takes as its reference; middle as XFactor.")
    ] = "middle"
    batch: Annotated[
        int, Field(ge=1, description="Clips at a time, always filled up; another number may change the last bits.")
    ] = 4


class VggtOracle:
    """Estimates the cameras of all frames of a clip in one pass; it has an answer to every clip, however bad."""

    Options = VggtOptions
    implementation = "evalkit.oracles.networks.vggt_estimator:VggtEstimator"
    reads_pixels = True
    notes = (f"oracle=vggt: the weights of VGGT-1B are {find(WEIGHTS).licence}: no commercial use",)

    def __init__(self, options: VggtOptions, device: str) -> None:
        self.options, self.device = options, device

    def identity(self) -> Identity:
        """Name, commit of the package, weights, precision, reference frame, batch (which may change the last bits).

        Raises UserError where the weights are missing.
        """
        return {
            **self.options.model_dump(),
            "package": installed_version("vggt"),
            "sha256": find(WEIGHTS).digests()[locate(WEIGHTS).name],
            "frames": f"uint8, {SIDE} square",
        }
