"""What tells a token of the camera layers which patch of which view it is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.nn.position import sincos_1d, sincos_2d
from baselines.nn.rope import GridRope, Rotation
from baselines.nn.transformer import deviation, normal_linears
from baselines.rayzer.model import RayZerModel

AS_LARGE_AS_PATCHES = 0.5  # deviation of first codes: what `deviation` gives embedded patches of ordinary frames


def codes_of(model: RayZerModel) -> SineCodes | RotaryCodes:
    """The codes that ``model.positions`` names."""
    return SineCodes(model) if model.positions == "sines" else RotaryCodes(model)


class SineCodes(nn.Module):
    """Sines and cosines of rows, columns and ranks behind an MLP; one of ranks alone for cameras (released code)."""

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
    """A learnt code for each place and each rank, and a 2-D rotary embedding in the attention, as XFactor has it.

    A view's patches and its camera token share the code of its rank. On a grid of four by four sines hardly differ
    from place to place, and cameras then do not find out which patches to compare, not even when told the true poses.
    """

    def __init__(self, model: RayZerModel) -> None:
        super().__init__()
        self.place = nn.Parameter(AS_LARGE_AS_PATCHES * torch.randn(model.grid**2, model.width))
        self.rank = nn.Parameter(AS_LARGE_AS_PATCHES * torch.randn(max(model.views), model.width))
        self.rope = GridRope(model.width // model.heads, model.grid, model.grid)

    def patches(self, ranks: Tensor) -> Tensor:
        """Codes [B, V, patches, width] of the patches of views of these ``ranks`` [B, V]."""
        return self.place + self.rank[ranks][..., None, :]

    def cameras(self, ranks: Tensor) -> Tensor:
        """Codes [V, width] of the camera tokens of views of these ``ranks`` [V]."""
        return self.rank[ranks]

    def rotation(self, views: int, others: int) -> Rotation:
        """For ``views`` camera tokens, then the patches of as many views, then ``others`` that lie nowhere."""
        patches = torch.arange(len(self.place), device=self.place.device)
        nowhere = patches.new_full((1,), len(patches))
        places = torch.cat([nowhere.expand(views), patches.repeat(views), nowhere.expand(others)])
        return self.rope.table(extra=1).take(places)


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
