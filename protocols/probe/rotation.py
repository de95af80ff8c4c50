"""The rotation nearest to a matrix, with a gradient that exists wherever that rotation does."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_LEAST_GAP = 1e-3  # of singular values in the gradient; below, the nearest rotation is all but arbitrary


class _NearestRotation(torch.autograd.Function):
    """torch's own gradient of an SVD is infinite at equal singular values, that is, at every rotation."""

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
        turned = right_t @ rotation.mT @ gradient @ right_t.mT
        gaps = (signed[..., :, None] + signed[..., None, :]).clamp_min(_LEAST_GAP)
        result: Tensor = rotation @ right_t.mT @ ((turned - turned.mT) / gaps) @ right_t
        return result


def nearest_rotation(matrix: Tensor) -> Tensor:
    """The rotation R that minimises |R - M| (Frobenius) for matrices M [..., 3, 3].

    R = U diag(1, 1, det UV') V' with M = USV' (Kabsch 1976; XFactor's probe). Differentiable except where the two
    smallest singular values, the last signed, cancel.

    >>> nearest_rotation(5 * torch.eye(3)).diagonal().tolist()
    [1.0, 1.0, 1.0]
    """
    rotation: Tensor = _NearestRotation.apply(matrix)
    return rotation
