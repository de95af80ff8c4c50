"""Coordinates as sines and cosines of doubling frequencies (NeRF, eq. 4; SRT, section 3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def fourier(coordinates: Tensor, octaves: int) -> Tensor:
    """Sines, then cosines of 2^k pi x for k from 0 to ``octaves`` - 1: [..., D] -> [..., 2 * D * octaves].

    Coordinates lie in [-1, 1]. Octaves beyond log2 of the number of samples along an axis are aliases of lower ones.

    >>> fourier(torch.tensor([0.5]), 2).round(decimals=4).abs().tolist()
    [1.0, 0.0, 0.0, 1.0]
    """
    frequencies = math.pi * 2.0 ** torch.arange(octaves, device=coordinates.device)
    angles = (coordinates.unsqueeze(-1) * frequencies).flatten(-2)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def pixel_coordinates(pixels: Tensor, height: int, width: int) -> Tensor:
    """Centres (x, y) of pixels, in [-1, 1] across the image: row-major pixel numbers [...] -> [..., 2].

    >>> pixel_coordinates(torch.tensor([0, 3]), 2, 2).tolist()
    [[-0.5, -0.5], [0.5, 0.5]]
    """
    column, row = pixels % width, torch.div(pixels, width, rounding_mode="floor")
    return torch.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], dim=-1)
