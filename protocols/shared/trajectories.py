"""The motion of each clip against the true motion of its own clip and of other clips: errors of whole trajectories.

Shapes: N rows (clips, or pairs of clips A and B), M other clips of each, V views, P = V(V-1)/2 pairs of views.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from evalkit.geometry.rotations import quaternion_from_rotation
from evalkit.metrics.accuracies import AucMethod
from evalkit.metrics.motion import long_baselines
from evalkit.metrics.pose import joint_error, pose_auc, relative_poses

FAILED_DEG = 90.0  # error of a trajectory that is unknown: the oracle could not read the clip
AUC_DEG = 20
_BLOCK = 64  # rows in memory at once


class Trajectories(NamedTuple):
    """Relative poses of N clips; NaN where they are unknown.

    ``rotation``: unit quaternions [N, P, 4], of either sign. ``direction`` [N, P, 3] of translation, 0 where both
    cameras of a pair have the same centre. Both float64.
    """

    rotation: Tensor
    direction: Tensor

    @staticmethod
    def of(w2c: Tensor) -> Trajectories:
        """The relative poses of cameras [N, V, 4, 4]."""
        rotation, translation = relative_poses(w2c)
        length = translation.norm(dim=-1, keepdim=True)
        direction = translation / torch.where(length > 0, length, 1.0)
        return Trajectories(quaternion_from_rotation(rotation), direction)

    def take(self, index: Tensor) -> Trajectories:
        """The clips at ``index``."""
        return Trajectories(self.rotation[index], self.direction[index])


class Errors(NamedTuple):
    """Errors of trajectories against references, each [N, M].

    ``degrees``: mean over the long pairs of views of max(rotation error, signed translation error), 90 where the
    trajectory is unknown. ``auc_signed`` (exact, long pairs) and ``auc_folded`` (XFactor's, all pairs) at 20
    degrees; NaN where it is unknown.
    """

    degrees: Tensor
    auc_signed: Tensor
    auc_folded: Tensor


def trajectory_errors(estimated: Tensor, reference: Tensor, others: Tensor, min_baseline: float) -> Errors:
    """Compare trajectories with references that each of them names.

    Args:
        estimated: w2c [N, V, 4, 4]; NaN where it is unknown.
        reference: w2c [K, V, 4, 4] of the clips that are compared with; a row names them by their number.
        others: [N, M], the references of each trajectory.
        min_baseline: see `evalkit.metrics.motion.long_baselines`, of the reference.

    Returns:
        Errors [N, M]; NaN where a reference has no long pair of views.
    """
    clips, long = Trajectories.of(estimated), long_baselines(reference, min_baseline)
    references = Trajectories.of(reference)
    blocks = [
        _errors(clips.take(rows), references.take(others[rows]), long[others[rows]])
        for rows in torch.arange(len(estimated)).split(_BLOCK)
    ]
    return Errors(*(torch.cat(parts) for parts in zip(*blocks, strict=True)))


def _errors(clips: Trajectories, references: Trajectories, long: Tensor) -> Errors:
    """Errors of clips [N, P] against references [N, M, P]."""
    failed = clips.rotation.isnan().flatten(1).any(1)[:, None]
    rotation_deg = 2 * _angle_deg(_dot(clips.rotation, references.rotation).abs())
    cosine = _dot(clips.direction, references.direction)  # 0, that is 90 degrees, where there is no direction
    signed_deg, folded_deg = _angle_deg(cosine), _angle_deg(cosine.abs())
    error_deg, weight = joint_error(rotation_deg, signed_deg), long / long.sum(-1, keepdim=True)
    return Errors(
        torch.where(failed, FAILED_DEG + 0 * weight.sum(-1), (error_deg * weight).sum(-1)),
        ((1 - error_deg / AUC_DEG).clamp_min(0) * weight).sum(-1),
        pose_auc(joint_error(rotation_deg, folded_deg), AUC_DEG, AucMethod.XFACTOR).masked_fill(failed, torch.nan),
    )


def _dot(clips: Tensor, references: Tensor) -> Tensor:
    """Scalar products [N, M, P] of vectors [N, P, D] with vectors [N, M, P, D]."""
    return (clips[:, None] * references).sum(-1)


def _angle_deg(cosine: Tensor) -> Tensor:
    """Angles of cosines; near 0 they are exact to 1e-6 degrees."""
    return torch.rad2deg(cosine.clamp(-1, 1).acos())
