"""One frame as it lies on disk: what a format reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class StoredFrame:
    """One frame as it lies on disk, in its own size.

    Attributes:
        image: upright 8-bit RGB, H x W pixels.
        intrinsics: [3, 3] float64, in pixels of this image; the centre of the top-left pixel is (0.5, 0.5).
        w2c: [4, 4] float64 world-to-camera matrix, OpenCV axes.
        depth: [H, W] z coordinate in the camera, in the unit of ``w2c``; inf where nothing is hit.
        mask: [H, W] bool, true on the object.
    """

    image: Image.Image
    intrinsics: NDArray[np.float64] | None = None
    w2c: NDArray[np.float64] | None = None
    depth: NDArray[np.floating[Any]] | None = None
    mask: NDArray[np.bool_] | None = None
