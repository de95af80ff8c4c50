"""Similarity alignment of camera centres."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# The second-largest spread of the centres over the largest: below, they lie on a line as far as anyone can tell,
# and the rotation about that line would be made up.
_LEAST_SPREAD = 1e-4


class DegenerateAlignment(ValueError):
    """The centres do not determine a similarity: fewer than three, coincident, or on a line."""


@dataclass(frozen=True)
class Similarity:
    """x -> scale * rotation @ x + translation: scale [...] > 0, rotation [..., 3, 3], translation [..., 3]."""

    scale: Tensor
    rotation: Tensor
    translation: Tensor

    def apply(self, points: Tensor) -> Tensor:
        """Transform points [..., N, 3]."""
        return self.scale[..., None, None] * points @ self.rotation.mT + self.translation[..., None, :]


def align_centres(source: Tensor, target: Tensor) -> Similarity:
    """The similarity that takes ``source`` centres to ``target`` [..., N, 3] with the least squared error.

    Closed form of Umeyama (PAMI 1991, eqs. 40-42). The rotation is proper and the scale positive: a trajectory that
    is mirrored or runs backwards is not explained away. Computed in float64. Raises DegenerateAlignment where any
    item of the batch does not determine the answer.
    """
    if source.shape != target.shape or source.ndim < 2 or source.shape[-1] != 3:
        raise ValueError(f"centres must both be [..., N, 3], got {list(source.shape)} and {list(target.shape)}")
    if source.shape[-2] < 3:
        raise DegenerateAlignment(f"a similarity needs at least 3 camera centres, got {source.shape[-2]}")
    source, target = source.double(), target.double()
    source_mean, target_mean = source.mean(-2), target.mean(-2)
    centred, aim = source - source_mean[..., None, :], target - target_mean[..., None, :]
    _refuse_degenerate(centred, source_mean, "source")
    _refuse_degenerate(aim, target_mean, "target")
    left, singular, right_t = torch.linalg.svd(aim.mT @ centred)  # eq. 38, up to 1/N
    if not (singular[..., 1] > _LEAST_SPREAD**2 * singular[..., 0]).all():
        raise DegenerateAlignment("the camera centres of source and target have nothing to do with each other")
    signs = torch.ones_like(singular)
    signs[..., 2] = torch.linalg.det(left @ right_t).sign()
    rotation = left @ (signs[..., None] * right_t)  # eq. 40
    scale = (singular * signs).sum(-1) / centred.square().sum((-2, -1))  # eq. 42
    moved = scale[..., None] * (rotation @ source_mean[..., None]).squeeze(-1)
    return Similarity(scale, rotation, target_mean - moved)  # eq. 41


def _refuse_degenerate(centred: Tensor, mean: Tensor, which: str) -> None:
    if not centred.isfinite().all():
        raise DegenerateAlignment(f"the {which} camera centres are not finite")
    spread = torch.linalg.svdvals(centred)
    if not (spread[..., 0] > 1e-12 * mean.norm(dim=-1)).all():
        raise DegenerateAlignment(f"the {which} camera centres coincide")
    if not (spread[..., 1] > _LEAST_SPREAD * spread[..., 0]).all():
        raise DegenerateAlignment(f"the {which} camera centres lie on a line: no rotation about it is better")
