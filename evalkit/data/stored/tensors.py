"""From frames as they lie on disk to tensors. The only module of stored data that imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evalkit.card import Need
from evalkit.data.preprocess import adjust_intrinsics, apply, apply_nearest, plan
from evalkit.data.stored.frame import StoredFrame
from evalkit.errors import SampleError
from evalkit.pixels import Preprocess
from evalkit.views import Cameras, Frames


class SquareFrame(NamedTuple):
    """One frame after preprocessing to R x R pixels.

    Attributes:
        image: [3, R, R] float32 in [0, 1].
        intrinsics: [3, 3] float64 in pixels of the square.
        w2c: [4, 4] float64.
        depth: [R, R] float32.
        mask: [R, R] bool.
    """

    image: Tensor
    intrinsics: Tensor | None
    w2c: Tensor | None
    depth: Tensor | None
    mask: Tensor | None


def make_square(frame: StoredFrame, provides: frozenset[Need], preprocess: Preprocess) -> SquareFrame:
    """Crop and resize image, intrinsics, depth and mask alike.

    Raises SampleError where a part is absent that the sequence ``provides``, or has another size than the image.
    """
    parts = {Need.CAMERAS: frame.w2c, Need.INTRINSICS: frame.intrinsics, Need.DEPTH: frame.depth}
    absent = [need for need, part in parts.items() if need in provides and part is None]
    if absent:
        raise SampleError(f"it has no {', '.join(absent)}, unlike other frames")
    width, height = frame.image.size
    depth, mask = (_resized(part, width, height, preprocess) for part in (frame.depth, frame.mask))
    return SquareFrame(
        image=apply(frame.image, preprocess),
        intrinsics=None
        if frame.intrinsics is None
        else adjust_intrinsics(_float64(frame.intrinsics), plan(width, height, preprocess)),
        w2c=None if frame.w2c is None else _float64(frame.w2c),
        depth=None if depth is None else depth.float(),
        mask=None if mask is None else mask.bool(),
    )


def stack(squares: Sequence[SquareFrame], numbers: tuple[int, ...], device: str) -> Frames:
    """Stack frames of one sequence; what only some of them have is left out."""
    images, intrinsics, w2c, depth, mask = (_stacked(parts, device) for parts in zip(*squares, strict=True))
    assert images is not None
    return Frames(images, numbers, None if w2c is None else Cameras(w2c, intrinsics), depth, mask)


def inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of a matrix [N, N] by torch, whose last bits differ from those of NumPy's."""
    return np.asarray(torch.linalg.inv_ex(torch.from_numpy(matrix)).inverse)


def _resized(values: NDArray[np.generic] | None, width: int, height: int, preprocess: Preprocess) -> Tensor | None:
    if values is None:
        return None
    if values.shape != (height, width):
        shape = "x".join(str(length) for length in reversed(values.shape))
        raise SampleError(f"its image has {width}x{height} pixels, its depth or mask {shape}")
    return apply_nearest(values, preprocess)


def _float64(values: NDArray[np.floating[Any]]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float64))


def _stacked(parts: Sequence[Tensor | None], device: str) -> Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.stack(present).to(device) if len(present) == len(parts) else None
