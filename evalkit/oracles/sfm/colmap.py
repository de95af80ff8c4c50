"""The `colmap` oracle: structure from motion on each clip, on the CPU, without weights."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evalkit.oracles.oracle import Identity
from evalkit.oracles.sfm.options import SfmOptions, pycolmap_version

REVISION = 3  # raise it with any change of this package that changes an answer


class ColmapOptions(SfmOptions):
    """Settings of structure from motion."""

    name: str = "colmap"
    peak_threshold: Annotated[
        float,
        Field(gt=0, description="Peak threshold of SIFT; half of COLMAP's, for dark or smooth frames of 256 pixels."),
    ] = 0.0033
    max_features: Annotated[int, Field(ge=1, description="Most SIFT features per frame.")] = 2048
    match_ratio: Annotated[float, Field(gt=0, le=1, description="Lowe's ratio test.")] = 0.8


class ColmapOracle:
    """Estimates the cameras of clips of 2 to about 30 frames that share one focal length."""

    Options = ColmapOptions
    implementation = "evalkit.oracles.sfm.estimator:ColmapEstimator"
    reads_pixels = True

    def __init__(self, options: ColmapOptions, device: str) -> None:
        self.options = options
        self._pycolmap = pycolmap_version("colmap")

    def identity(self) -> Identity:
        """Name, versions, and each option that can change an answer."""
        return {
            "name": self.options.name,
            "revision": REVISION,
            "pycolmap": self._pycolmap,
            "frames": "uint8",
            "reference": "first",
            **self.options.effective(),
        }
