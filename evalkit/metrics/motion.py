"""Baselines and rotation span of a clip, and agreement of translation lengths between two trajectories."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.geometry.se3 import rotation_angle_deg
from evalkit.metrics.pose import relative_poses


def baselines(w2c: Tensor) -> Tensor:
    """Return camera distances of all pairs of views, [B, V, 4, 4] -> [B, V(V-1)/2], in the unit of w2c."""
    return relative_poses(w2c)[1].square().sum(-1).sqrt()


def long_baselines(w2c: Tensor, fraction: float) -> Tensor:
    """Return which pairs of views have a baseline of at least ``fraction`` of the clip's longest, bool [B, P].

    With shorter baselines the direction of translation is mostly noise. In a clip without motion no pair is long.
    """
    length = baselines(w2c)
    longest = length.amax(-1, keepdim=True)
    return (length >= fraction * longest) & (length > 0)


def rotation_span_deg(w2c: Tensor) -> Tensor:
    """Return the largest angle between the orientations of two views of a clip, [B, V, 4, 4] -> [B], in degrees."""
    return rotation_angle_deg(relative_poses(w2c)[0]).amax(-1)


def magnitude_agreement(pred_w2c: Tensor, true_w2c: Tensor) -> Tensor:
    """Return how well the lengths of relative translations agree, two [B, V, 4, 4] -> [B, V(V-1)/2] in [0, 1].

    min(s p, t) / max(s p, t) of the predicted and true lengths p and t of a pair, with one scale s per clip: the
    least-squares scale of the translation vectors, or 0 where that is negative. So a reversed dolly scores 0, which
    XFactor's ``traj_err_scale_invariant`` with its signed scale calls perfect. A camera without motion scores 0 too.

    >>> line = torch.eye(4).repeat(1, 3, 1, 1)
    >>> line[0, :, 2, 3] = torch.tensor([0.0, 1.0, 2.0])
    >>> magnitude_agreement(5 * line, line).tolist()
    [[1.0, 1.0, 1.0]]
    """
    pred, true = relative_poses(pred_w2c)[1], relative_poses(true_w2c)[1]
    squared = pred.square().sum((-2, -1))
    scale = (pred * true).sum((-2, -1)).clamp_min(0) / torch.where(squared > 0, squared, 1.0)
    scaled, length = scale[:, None] * pred.norm(dim=-1), true.norm(dim=-1)
    longer = torch.maximum(scaled, length)
    ratio = torch.minimum(scaled, length) / torch.where(longer > 0, longer, 1.0)
    return torch.where(longer == 0, 1.0, ratio)
