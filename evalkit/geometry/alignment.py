"""Similarity alignment of camera centres."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Smallest ratio of the second-largest to the largest spread of the centres. Below it they lie on a line within rounding
# errors, and any rotation about that line would fit.
_MIN_SPREAD = 1e-4


class DegenerateAlignment(ValueError):
    """The centres do not determine a similarity: there are fewer than three, or they coincide or lie on a line."""


@dataclass(frozen=True)
class Similarity:
    """The map x -> scale * rotation @ x + translation.

    Args:
        scale: [...], positive.
        rotation: [..., 3, 3], without reflection.
        translation: [..., 3].
    """

    scale: Tensor
    rotation: Tensor
    translation: Tensor

    def apply(self, points: Tensor) -> Tensor:
        """Transform points [..., N, 3]."""
        return self.scale[..., None, None] * points @ self.rotation.mT + self.translation[..., None, :]


def align_centres(source: Tensor, target: Tensor) -> Similarity:
    """Return the similarity that maps ``source`` to ``target`` centres with the least squared error.

    The scale is positive and there is no reflection: a mirrored or reversed trajectory keeps its error. Computed in
    float64.

    Args:
        source, target: camera centres [..., N, 3], N >= 3.

    Raises:
        DegenerateAlignment: where the centres of any item of the batch do not determine the similarity.

    Source: Umeyama, PAMI 1991, eqs. 40-42 (closed form).
    """
    if source.shape != target.shape or source.ndim < 2 or source.shape[-1] != 3:
        raise ValueError(f"centres must both be [..., N, 3], got {list(source.shape)} and {list(target.shape)}")
    if source.shape[-2] < 3:
        raise DegenerateAlignment(f"a similarity needs at least 3 camera centres, got {source.shape[-2]}")
    source, target = source.double(), target.double()
    source_mean, target_mean = source.mean(-2), target.mean(-2)
    source_offsets, target_offsets = source - source_mean[..., None, :], target - target_mean[..., None, :]
    _refuse_degenerate(source_offsets, source_mean, "source")
    _refuse_degenerate(target_offsets, target_mean, "target")
    left, singular, right_t = torch.linalg.svd(target_offsets.mT @ source_offsets)  # eq. 38, up to 1/N
    if not (singular[..., 1] > _MIN_SPREAD**2 * singular[..., 0]).all():
        raise DegenerateAlignment("the camera centres of source and target have nothing to do with each other")
    signs = torch.ones_like(singular)
    signs[..., 2] = torch.linalg.det(left @ right_t).sign()
    rotation = left @ (signs[..., None] * right_t)  # eq. 40
    scale = (singular * signs).sum(-1) / source_offsets.square().sum((-2, -1))  # eq. 42
    mapped_mean = scale[..., None] * (rotation @ source_mean[..., None]).squeeze(-1)
    return Similarity(scale, rotation, target_mean - mapped_mean)  # eq. 41


def _refuse_degenerate(offsets: Tensor, mean: Tensor, which: str) -> None:
    if not offsets.isfinite().all():
        raise DegenerateAlignment(f"the {which} camera centres are not finite")
    spread = torch.linalg.svdvals(offsets)
    if not (spread[..., 0] > 1e-12 * mean.norm(dim=-1)).all():
        raise DegenerateAlignment(f"the {which} camera centres coincide")
    if not (spread[..., 1] > _MIN_SPREAD * spread[..., 0]).all():
        raise DegenerateAlignment(f"the {which} camera centres lie on a line: no rotation about it is better")
