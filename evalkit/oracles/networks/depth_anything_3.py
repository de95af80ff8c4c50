"""The `depth_anything_3` oracle: the small and base models of Depth Anything 3, whose weights are Apache-2.0.

Facts from depth-anything-3 0.1.1 and ByteDance-Seed/Depth-Anything-3@2c21ea8.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evalkit.config.options import ComponentOptions
from evalkit.oracles.networks.packages import installed_version
from evalkit.oracles.oracle import Identity
from evalkit.weights.catalogue import find
from evalkit.weights.store import locate

SIDE = 504  # pixels: the package's own `process_res`, 36 patches of 14


class DepthAnything3Options(ComponentOptions):
    """Settings of Depth Anything 3."""

    name: str = "depth_anything_3"
    size: Annotated[
        Literal["small", "base"], Field(description="Size of the network: only these two are Apache-2.0.")
    ] = "base"
    precision: Annotated[
        Literal["bfloat16", "float32"],
        Field(description="Precision of the backbone, bfloat16 as the package; the heads are always float32."),
    ] = "bfloat16"
    reference: Annotated[
        Literal["middle", "first", "saddle_balanced"],
        Field(
            description="The reference frame; the package's own choice is saddle_balanced. Of two frames: the first."
        ),
    ] = "middle"
    batch: Annotated[
        int, Field(ge=1, description="Clips at a time, always filled up; another number may change the last bits.")
    ] = 4


class DepthAnything3Oracle:
    """Estimates the cameras of all frames of a clip in one pass."""

    Options = DepthAnything3Options
    implementation = "evalkit.oracles.networks.depth_anything_3_estimator:DepthAnything3Estimator"
    reads_pixels = True

    def __init__(self, options: DepthAnything3Options, device: str) -> None:
        self.options, self.device = options, device
        self.weights = find(f"da3-{options.size}")

    def identity(self) -> Identity:
        """Name, version of the package, weights, precision, reference frame, batch (which may change the last bits).

        Raises UserError where the weights are missing.
        """
        return {
            **self.options.model_dump(),
            "package": installed_version("depth-anything-3"),
            "revision": self.weights.url.split("/resolve/")[1].split("/")[0],
            "sha256": self.weights.digests()[locate(self.weights.name).name],
            "frames": f"uint8, {SIDE} square",
        }
