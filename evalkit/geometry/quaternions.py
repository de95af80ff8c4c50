"""From quaternions to rotation matrices, for numpy arrays and torch tensors alike. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Array = TypeVar("Array", "NDArray[np.float64]", "Tensor")


def rotation_entries(w: Array, x: Array, y: Array, z: Array) -> tuple[tuple[Array, Array, Array], ...]:
    """Return the entries of rotation matrices, row by row, of unit quaternions w + xi + yj + zk.

    All arguments and all nine entries have one shape.
    """
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
