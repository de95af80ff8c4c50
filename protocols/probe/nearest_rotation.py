"""The rotation nearest to a matrix, with a finite gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_MIN_GAP = 1e-3  # of sums of singular values in the gradient; below it the nearest rotation is almost arbitrary


class _NearestRotation(torch.autograd.Function):
    """The gradient that torch computes of an SVD is infinite at equal singular values, that is, at every rotation."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        left, singular, right_t = torch.linalg.svd(matrix)
        signs = torch.ones_like(singular)
        signs[..., 2] = torch.linalg.det(left @ right_t).sign()
        rotation: Tensor = left @ (signs[..., None] * right_t)
        ctx.save_for_backward(rotation, right_t, singular * signs)
        return rotation

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        # M = R H with H = V diag(s) V' symmetric, so R'dM - dM'R = W H + H W with W = R'dR antisymmetric
        rotation, right_t, signed = ctx.saved_tensors
        rotated = right_t @ rotation.mT @ gradient @ right_t.mT
        gaps = (signed[..., :, None] + signed[..., None, :]).clamp_min(_MIN_GAP)
        result: Tensor = rotation @ right_t.mT @ ((rotated - rotated.mT) / gaps) @ right_t
        return result


def nearest_rotation(matrix: Tensor) -> Tensor:
    """Return the rotation R that minimises |R - M| (Frobenius) for matrices M [..., 3, 3].

    R = U diag(1, 1, det UV') V' with M = USV'. Differentiable except where the two smallest singular values, the last
    one signed, add up to 0.

    Source: Kabsch 1976; XFactor's probe.

    >>> nearest_rotation(5 * torch.eye(3)).diagonal().tolist()
    [1.0, 1.0, 1.0]
    """
    rotation: Tensor = _NearestRotation.apply(matrix)
    return rotation
