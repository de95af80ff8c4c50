"""Constants as 0-dimensional tensors, and gathering of table rows.

A Python number as an operand costs torch a conversion of several microseconds, as much as the operation itself on
a block that fits in cache; a 0-dimensional tensor of the right type costs nothing, and goes with any device.
"""

from __future__ import annotations

import torch
from torch import Tensor


def real(value: float) -> Tensor:
    """A float32 constant."""
    return torch.tensor(value, dtype=torch.float32)


def whole(value: int) -> Tensor:
    """An int32 constant."""
    return torch.tensor(value, dtype=torch.int32)


ONE, HALF, TWO = real(1.0), real(0.5), real(2.0)
STEEP = real(1e20)


def at_least(a: Tensor, b: Tensor) -> Tensor:
    """1.0 where a >= b, else 0.0; several times faster than a comparison on a CPU."""
    return (a - b).mul_(STEEP).add_(ONE).clamp_(0, 1)


class Rows:
    """Rows of a table [C, S] by name at ``index`` [N], gathered when asked for: few planes are alive at a time."""

    def __init__(self, table: Tensor, names: dict[str, int], index: Tensor) -> None:
        self._table, self._names, self._index = table, names, index

    def __getitem__(self, name: str) -> Tensor:
        return self._table[self._names[name]].index_select(0, self._index)
