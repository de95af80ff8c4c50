"""Relative pose errors of all pairs of views, accuracies, and five definitions of the pose AUC.

Angles are in degrees; accuracies and AUCs are fractions in [0, 1] (only printed tables show percent). Everything is
computed in float64. Where an oracle failed, poses are NaN; they give NaN errors, and NaN errors give a NaN score.
Protocols count failures.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from evalkit.errors import did_you_mean
from evalkit.geometry.se3 import camera_centres, rotation_angle_deg, vector_angle_deg
from evalkit.metrics.accuracies import AucMethod as AucMethod

_SAME_CENTRE = 1e-12  # of the distance to the origin; the difference of closer centres is rounding error


def pair_indices(views: int) -> tuple[Tensor, Tensor]:
    """Return indices (i, j), i < j, of all V(V-1)/2 pairs, ordered (0,1), (0,2), ..., (1,2), ...

    >>> [index.tolist() for index in pair_indices(3)]
    [[0, 0, 1], [1, 2, 2]]
    """
    i, j = torch.triu_indices(views, views, offset=1)
    return i, j


def relative_pose_errors(pred_w2c: Tensor, true_w2c: Tensor, signed: bool = False) -> tuple[Tensor, Tensor]:
    """Return rotation and translation errors of all pairs of views, in degrees.

    The relative pose of views i < j (order of `pair_indices`) is T_i inv(T_j) with T = w2c, so that the world frames do
    not matter. The translation error is the angle between the directions of translation.

    Args:
        pred_w2c, true_w2c: world-to-camera matrices [B, V, 4, 4], any world frame and scale.
        signed: compare directions with their sign, errors 0 to 180; otherwise folded (t and -t are equal), errors 0 to
            90, as in XFactor, VGGT, PoseDiffusion.

    Returns:
        Rotation errors, 0 to 180, and translation errors, both [B, V(V-1)/2]. Where the two cameras of a pair have the
        same centre, predicted or true, there is no direction and the translation error is 90, never NaN.

    Raises:
        ValueError: for shapes that differ, and for fewer than two views.
    """
    if pred_w2c.shape != true_w2c.shape or pred_w2c.ndim != 4 or pred_w2c.shape[-2:] != (4, 4):
        raise ValueError(f"poses must both be [B, V, 4, 4], got {list(pred_w2c.shape)} and {list(true_w2c.shape)}")
    if pred_w2c.shape[1] < 2:
        raise ValueError(f"relative poses need at least 2 views, got {pred_w2c.shape[1]}")
    pred_rotation, pred_translation = relative_poses(pred_w2c)
    true_rotation, true_translation = relative_poses(true_w2c)
    rotation_deg = rotation_angle_deg(pred_rotation @ true_rotation.mT)
    translation_deg = vector_angle_deg(pred_translation, true_translation)
    return rotation_deg, translation_deg if signed else torch.minimum(translation_deg, 180 - translation_deg)


def relative_poses(w2c: Tensor) -> tuple[Tensor, Tensor]:
    """Return rotations [B, P, 3, 3] and translations [B, P, 3] of T_i inv(T_j), for T = w2c [B, V, 4, 4] and i < j.

    Translations are exactly 0 where centres coincide. They are computed as R_i (c_j - c_i) from the centres c: the
    rounding error of R_i R_j' would give two equal cameras a tiny translation in a random direction.
    """
    w2c = w2c.double()
    rotation, centre = w2c[..., :3, :3], camera_centres(w2c)
    i, j = pair_indices(w2c.shape[1])
    baseline = centre[:, j] - centre[:, i]
    distance_to_origin = torch.maximum(centre[:, j].norm(dim=-1), centre[:, i].norm(dim=-1))
    same = baseline.norm(dim=-1) <= _SAME_CENTRE * distance_to_origin
    translation = torch.einsum("bpij,bpj->bpi", rotation[:, i], baseline)
    return rotation[:, i] @ rotation[:, j].mT, translation.masked_fill(same[..., None], 0.0)


def joint_error(rotation_deg: Tensor, translation_deg: Tensor) -> Tensor:
    """Return the larger of the rotation and translation error of each pair: the error that a pose AUC counts.

    Papers write "the minimum of RRA and RTA". Their code takes the maximum of both errors for each pair (VGGT issue
    219, Reloc3r issue 31), which never gives a higher score.
    """
    return torch.maximum(rotation_deg, translation_deg)


def accuracy(errors_deg: Tensor, threshold: float) -> Tensor:
    """Return the share of errors strictly below a threshold in degrees, [..., P] -> [...]; NaN where any is NaN.

    >>> accuracy(torch.tensor([1.0, 10.0, 30.0]), 10).item()
    0.3333333333333333
    """
    errors = _errors(errors_deg)
    below = (errors < threshold).double().mean(-1)
    return below.masked_fill(errors.isnan().any(-1), torch.nan)


def pose_auc(errors_deg: Tensor, threshold: float, method: AucMethod | str) -> Tensor:
    """Return the area under the curve of accuracy against threshold, up to ``threshold`` degrees, [..., P] -> [...].

    With P errors e, every definition but SuperGlue's is the mean over pairs of max(0, 1 - k(e) / K):

    - ``exact``: k = e, K = t. The integral of the empirical distribution, (1/t) int_0^t #(e <= x)/P dx.
    - ``xfactor``: ``torch.histc(e, bins=31, min=0, max=30)``, mean of the first t cumulative values:
      k = floor(31 e / 30), K = t, for whole t <= 30. A bin is 0.968 degrees wide.
    - ``vggt`` (VGGT, Pi3, DA3): ``numpy.histogram(e, bins=range(t + 1))``, mean of the cumulative values:
      k = floor(e), K = t, with e = t in the last bin, which is closed.
    - ``posediffusion``: ``torch.histc(e, bins=t + 1, min=0, max=t)``, mean of the cumulative values:
      k = floor((t + 1) e / t), K = t + 1, with e = t in the last bin.
    - ``superglue`` (LoFTR, GTSfM, kornia): trapezoids through (0, 0), (e_1, 1/P), ..., (e_n, n/P), the errors
      below t in ascending order, then flat to t; divided by t. One error of 9.99 scores .50 at 10.

    Raises ValueError for no errors, an unknown method, a threshold that is not positive, and one that is not
    whole (or, xfactor, above 30) where the definition counts bins.

    >>> [round(pose_auc(torch.tensor([9.99]), 10, method).item(), 4) for method in AucMethod]
    [0.0, 0.1, 0.0909, 0.5005, 0.001]
    """
    known = [str(name) for name in AucMethod]
    if method not in known:
        raise ValueError(f"unknown AUC method '{method}'{did_you_mean(str(method), known)}")
    method = AucMethod(method)
    if not threshold > 0:
        raise ValueError(f"the AUC threshold must be positive, got {threshold}")
    if method in _WHOLE and threshold != int(threshold):
        raise ValueError(f"AUC method '{method}' counts bins: its threshold must be whole, got {threshold}")
    if method == AucMethod.XFACTOR and threshold > 30:
        raise ValueError(f"AUC method 'xfactor' bins errors up to 30 degrees, got threshold {threshold}")
    return _AUC[method](_errors(errors_deg), threshold)


_WHOLE = frozenset({AucMethod.XFACTOR, AucMethod.VGGT, AucMethod.POSEDIFFUSION})


def _mean_of_bins(bins: Tensor, count: float) -> Tensor:
    """Return the mean of the first ``count`` cumulative values; an error in bin k is in all but k of them."""
    return (1 - bins / count).clamp_min(0).mean(-1)


def _xfactor(errors: Tensor, threshold: float) -> Tensor:
    return _mean_of_bins((errors * 31 / 30).floor(), threshold)


def _vggt(errors: Tensor, threshold: float) -> Tensor:
    return _mean_of_bins(torch.where(errors == threshold, threshold - 1, errors.floor()), threshold)


def _posediffusion(errors: Tensor, threshold: float) -> Tensor:
    bins = (errors * (threshold + 1) / threshold).floor()
    # an error above the threshold is in no bin, even where the division rounds it into the last
    return _mean_of_bins(torch.where(errors > threshold, threshold + 1, bins.clamp_max(threshold)), threshold + 1)


def _superglue(errors: Tensor, threshold: float) -> Tensor:
    ordered = errors.sort(dim=-1).values
    ends = ordered.clamp_max(threshold)
    widths = ends.diff(dim=-1, prepend=torch.zeros_like(ends[..., :1]))
    rank = torch.arange(errors.shape[-1], dtype=errors.dtype, device=errors.device)
    heights = rank + 0.5 * (ordered < threshold)
    area = (widths * heights).sum(-1) / errors.shape[-1] + (threshold - ends[..., -1])
    return area / threshold


def _exact(errors: Tensor, threshold: float) -> Tensor:
    return _mean_of_bins(errors, threshold)


_AUC: dict[AucMethod, Callable[[Tensor, float], Tensor]] = {
    AucMethod.XFACTOR: _xfactor,
    AucMethod.VGGT: _vggt,
    AucMethod.POSEDIFFUSION: _posediffusion,
    AucMethod.SUPERGLUE: _superglue,
    AucMethod.EXACT: _exact,
}


def chance_accuracy(threshold: float, signed: bool = False) -> float:
    """Return the RTA of a uniformly random direction: 1 - cos t folded (t <= 90), half of it signed.

    >>> [round(100 * chance_accuracy(t), 1) for t in (10, 20, 30)]
    [1.5, 6.0, 13.4]
    """
    below = 1 - math.cos(math.radians(_in_range(threshold, signed)))
    return below / 2 if signed else below


def chance_floor(threshold: float, signed: bool = False) -> float:
    """Return the exact AUC of a true rotation with a random translation direction: 1 - sin(t)/t, half of it signed.

    It is (1/t) int_0^t (1 - cos x) dx. A method that scores no more has transferred no direction.

    >>> [round(100 * chance_floor(t), 1) for t in (10, 20, 30)]
    [0.5, 2.0, 4.5]
    """
    angle = math.radians(_in_range(threshold, signed))
    area = 1 - math.sin(angle) / angle
    return area / 2 if signed else area


def _in_range(threshold: float, signed: bool) -> float:
    largest = 180 if signed else 90
    if not 0 < threshold <= largest:
        raise ValueError(f"the threshold must lie in (0, {largest}] degrees, got {threshold}")
    return threshold


def _errors(errors_deg: Tensor) -> Tensor:
    if errors_deg.ndim == 0 or errors_deg.shape[-1] == 0:
        raise ValueError("no errors to score: expected [..., P] with P >= 1")
    return errors_deg.double()
