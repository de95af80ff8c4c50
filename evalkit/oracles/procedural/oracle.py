"""The `procedural` oracle: points matched by a small network, cameras by the geometry of `colmap`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import Field

from evalkit.oracles.oracle import Identity
from evalkit.oracles.sfm.options import SfmOptions, pycolmap_version

REVISION = 2  # raise it with any change of this package or of evalkit/oracles/sfm that changes an answer
WEIGHTS = Path(__file__).parent / "weights.safetensors"
SIDE = 256  # pixels; frames of another size are resized


class ProceduralOracleOptions(SfmOptions):
    """Settings of matching and of the focal length."""

    name: str = "procedural"
    points: Annotated[
        int, Field(ge=64, le=8192, description="Points followed through a clip, an equal share from each frame.")
    ] = 1000


class ProceduralOracle:
    """Estimates the cameras of clips of 2 to 8 frames that share one focal length, sharp or soft."""

    Options = ProceduralOracleOptions
    implementation = "evalkit.oracles.procedural.estimator:ProceduralEstimator"
    reads_pixels = True

    def __init__(self, options: ProceduralOracleOptions, device: str) -> None:
        self.options = options
        self._pycolmap = pycolmap_version("procedural")
        self._weights_digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()

    def identity(self) -> Identity:
        """Name, versions, digest of the weights, and each option that can change an answer."""
        return {
            "name": self.options.name,
            "revision": REVISION,
            "weights": self._weights_digest,
            "precision": "float32",
            "pycolmap": self._pycolmap,
            "frames": f"uint8 {SIDE}x{SIDE}",
            "reference": "first",
            **self.options.effective(),
        }
