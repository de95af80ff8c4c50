"""Fixed embeddings of positions by sines and cosines (Attention Is All You Need, section 3.5)."""

from __future__ import annotations

import torch
from torch import Tensor

BASE = 10000.0


def sincos_1d(positions: Tensor, channels: int) -> Tensor:
    """Embed positions [...] as [..., channels]: all sines, then all cosines, of frequencies BASE^(-2i / channels).

    >>> sincos_1d(torch.tensor([0]), 4).tolist()
    [[0.0, 0.0, 1.0, 1.0]]
    """
    if channels % 2:
        raise ValueError(f"{channels} channels cannot be split into sines and cosines")
    half = channels // 2
    frequencies = 1.0 / BASE ** (torch.arange(half, dtype=torch.float32, device=positions.device) / half)
    angles = positions.float()[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def sincos_2d(rows: int, columns: int, channels: int, device: torch.device | str) -> Tensor:
    """Embed the cells of a grid, row by row, as [rows * columns, channels]: half of the channels for each axis."""
    row, column = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    return torch.cat([sincos_1d(axis.flatten(), channels // 2) for axis in (row, column)], dim=-1)
