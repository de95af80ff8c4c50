"""Position codes: which patch of which view a token of the camera layers belongs to.

The rank of a view is its place in the temporal order of its clip.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.nn.position import sincos_1d, sincos_2d
from baselines.nn.rope import GridRope, Rotation
from baselines.nn.transformer import deviation, normal_linears
from baselines.rayzer.model import RayZerModel

LEARNT_DEVIATION = 0.5  # of learnt codes before training: that of embedded patches of ordinary frames


def position_codes(model: RayZerModel) -> SineCodes | RotaryCodes:
    """Return the codes that ``model.positions`` names."""
    return SineCodes(model) if model.positions == "sines" else RotaryCodes(model)


class SineCodes(nn.Module):
    """Sines and cosines of row, column and rank behind an MLP; for cameras, of the rank alone (released code)."""

    def __init__(self, model: RayZerModel) -> None:
        super().__init__()
        self.width, self.grid = model.width, model.grid
        self.place, self.rank = _mlp(model.width), _mlp(model.width)
        normal_linears((*self.place, *self.rank), deviation(model.width))

    def patches(self, ranks: Tensor) -> Tensor:
        """Codes [B, V, patches, width] of the patches of views of these ``ranks`` [B, V]."""
        half = self.width // 2
        place = sincos_2d(self.grid, self.grid, half, ranks.device)
        rank = sincos_1d(ranks, half)[..., None, :].expand(-1, -1, len(place), -1)
        return self.place(torch.cat([place.expand(*rank.shape[:2], -1, -1), rank], dim=-1))  # type: ignore[no-any-return]

    def cameras(self, ranks: Tensor) -> Tensor:
        """Codes [V, width] of the camera tokens of views of these ``ranks`` [V]."""
        return self.rank(sincos_1d(ranks, self.width))  # type: ignore[no-any-return]

    def rotation(self, views: int, others: int) -> None:
        """No rotation of queries and keys."""


class RotaryCodes(nn.Module):
    """A learnt code for each place and each rank, and a 2-D rotary embedding in the attention, as in XFactor.

    The patches of a view and its camera token share the code of its rank. On a grid of 4 x 4, sines differ little from
    place to place, and the camera layers then do not learn which patches to compare, even when trained on true poses.
    """

    def __init__(self, model: RayZerModel) -> None:
        super().__init__()
        self.place = nn.Parameter(LEARNT_DEVIATION * torch.randn(model.grid**2, model.width))
        self.rank = nn.Parameter(LEARNT_DEVIATION * torch.randn(max(model.views), model.width))
        self.rope = GridRope(model.width // model.heads, model.grid, model.grid)

    def patches(self, ranks: Tensor) -> Tensor:
        """Codes [B, V, patches, width] of the patches of views of these ``ranks`` [B, V]."""
        return self.place + self.rank[ranks][..., None, :]

    def cameras(self, ranks: Tensor) -> Tensor:
        """Codes [V, width] of the camera tokens of views of these ``ranks`` [V]."""
        return self.rank[ranks]

    def rotation(self, views: int, others: int) -> Rotation:
        """Rotations of ``views`` camera tokens, the patches of as many views, and ``others`` without a position."""
        patches = torch.arange(len(self.place), device=self.place.device)
        unplaced = patches.new_full((1,), len(patches))
        places = torch.cat([unplaced.expand(views), patches.repeat(views), unplaced.expand(others)])
        return self.rope.table(extra=1).take(places)


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
