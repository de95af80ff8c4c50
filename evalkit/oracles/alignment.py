"""The `alignment` oracle: finds each frame in a known world by direct image alignment.

What a method renders at 32 or 64 pixels is too soft for points to be matched between frames. Where the scene is known,
no two renders need to match: each is compared with views of the world (analysis by synthesis).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evalkit.config.options import ComponentOptions
from evalkit.oracles.oracle import Identity

REVISION = 1  # raise it with any change here or in image_alignment.py that changes an answer


class AlignmentOptions(ComponentOptions):
    """Settings of the alignment."""

    name: str = "alignment"
    side: Annotated[
        int, Field(ge=16, description="Pixels at which frames are compared with the world; larger ones are shrunk.")
    ] = 64
    correlation: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            description="Least correlation of a frame with the world where it was found; below it the clip fails.",
        ),
    ] = 0.5


class AlignmentOracle:
    """Finds frames of known worlds, sharp or soft, each on its own; needs the world and cameras to start from."""

    Options = AlignmentOptions
    implementation = "evalkit.oracles.image_alignment:AlignmentEstimator"
    reads_pixels = True
    has_scale = True

    def __init__(self, options: AlignmentOptions, device: str) -> None:
        self.options = options

    def identity(self) -> Identity:
        """Name, revision and every option."""
        return {"revision": REVISION, "precision": "float64", **self.options.model_dump()}
