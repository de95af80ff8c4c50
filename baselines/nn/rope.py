"""Rotary position embedding in two dimensions: half of the channels for each axis (RoFormer, eq. 34)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GridRope(nn.Module):
    """Angles of the tokens of a ``rows`` x ``columns`` grid, row by row.

    The first half of the ``channels`` of a head encodes the row, the second half the column.
    """

    def __init__(self, channels: int, rows: int, columns: int, base: float = 10000.0) -> None:
        super().__init__()
        if channels % 4:
            raise ValueError(f"a head of {channels} channels cannot be split into pairs on two axes")
        frequencies = base ** -(torch.arange(channels // 4) / (channels / 4))
        row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        angles = torch.cat(
            [row.reshape(-1, 1) * frequencies, column.reshape(-1, 1) * frequencies], dim=-1
        )  # [tokens, channels / 2]
        self.register_buffer("cos", angles.cos().repeat_interleave(2, dim=-1), persistent=False)
        self.register_buffer("sin", angles.sin().repeat_interleave(2, dim=-1), persistent=False)
        self.cos: Tensor
        self.sin: Tensor

    def table(self, extra: int) -> Rotation:
        """Rotations of all tokens of the grid, then of ``extra`` tokens without a position, which are not rotated."""
        channels = self.cos.shape[-1]
        ones, zeros = self.cos.new_ones(extra, channels), self.cos.new_zeros(extra, channels)
        return Rotation(torch.cat([self.cos, ones]), torch.cat([self.sin, zeros]))


class Rotation:
    """Cosines and sines [..., tokens, channels] of the angles by which pairs of channels are rotated."""

    def __init__(self, cos: Tensor, sin: Tensor) -> None:
        self.cos, self.sin = cos, sin

    def take(self, tokens: Tensor) -> Rotation:
        """Rotations of the tokens numbered ``tokens`` [...]: [..., channels]."""
        return Rotation(self.cos[tokens], self.sin[tokens])

    def __call__(self, x: Tensor) -> Tensor:
        """Rotate each pair of neighbouring channels of ``x`` [..., tokens, channels]."""
        even, odd = x[..., ::2], x[..., 1::2]
        orthogonal = torch.stack([-odd, even], dim=-1).flatten(-2)
        return x * self.cos.to(x.dtype) + orthogonal * self.sin.to(x.dtype)
