"""The numbers of `pose`: of one clip, of all pairs of the dataset together, and by chance."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evalkit.geometry.alignment import DegenerateAlignment
from evalkit.geometry.rotations import rotation_log
from evalkit.metrics.accuracies import THRESHOLDS, AucMethod, auc
from evalkit.metrics.pose import chance_accuracy, chance_floor, joint_error, pose_auc, relative_poses
from evalkit.metrics.pose_scores import PoseScores
from evalkit.metrics.trajectory import ate, extent, rpe
from evalkit.protocol import Arrays, Value
from evalkit.stats.interval import Interval
from evalkit.stats.pooled import Floats, pooled_intervals
from protocols.pose.columns import (
    POOLED,
    PREDICTED_W2C,
    ROTATION_AMPLITUDE,
    RPA_THRESHOLDS,
    TRAJECTORY,
    TRUE_W2C,
    columns_of,
    rpa_key,
)
from protocols.shared.clip_skill import Comparisons, compare_clips
from protocols.shared.skill_names import OWN_ERROR
from protocols.shared.trajectories import trajectory_errors

LEAST_TURN_DEG = 5.0  # of a pair of views that counts in `rotation_amplitude`
ALIGNED = "aligned"  # "yes", or why the trajectories could not be aligned


def folded_errors_deg(scores: PoseScores) -> Tensor:
    """What all three papers count: the larger of rotation and folded translation error of each pair, [P]."""
    return joint_error(scores.rotation, scores.folded)


def rpa_row(scores: PoseScores) -> dict[str, Value]:
    """E-RayZer's shares of pairs that are at most so many degrees off."""
    errors_deg = folded_errors_deg(scores)
    return {rpa_key(threshold): float((errors_deg <= threshold).double().mean()) for threshold in RPA_THRESHOLDS}


def trajectory_row(pred: Tensor, true: Tensor) -> dict[str, Value]:
    """ATE and RPE (root mean square) of w2c [V, 4, 4], also over the largest distance of two true cameras.

    NaN, and the reason in the column ``aligned``, where the trajectories cannot be aligned.
    """
    try:
        ate_value, (rotation_deg, translation) = float(ate(pred, true)), rpe(pred, true)
    except DegenerateAlignment as error:
        reason = str(error).replace("source", "predicted").replace("target", "true")
        return {ALIGNED: reason, **dict.fromkeys(TRAJECTORY, math.nan)}
    widest, rpe_translation = float(extent(true)), _rms(translation)
    values = (ate_value, ate_value / widest, _rms(rotation_deg), rpe_translation, rpe_translation / widest)
    return {ALIGNED: "yes", **dict(zip(TRAJECTORY, values, strict=True))}


def skill_row(pred: Tensor, true: Tensor, min_baseline: float) -> dict[str, Value]:
    """The error of w2c [V, 4, 4] against the own true cameras in degrees, and `rotation_amplitude`."""
    own = torch.zeros(1, 1, dtype=torch.long)
    error = float(trajectory_errors(pred[None], true[None], own, min_baseline).degrees)
    return {OWN_ERROR: error, ROTATION_AMPLITUDE: rotation_amplitude(pred, true)}


def rotation_amplitude(pred: Tensor, true: Tensor) -> float:
    """How far cameras w2c [V, 4, 4] turn about the true axes, over how far the true ones do.

    The median of p . t / t . t over the pairs of views whose true rotation t, axis times angle, is at least
    `LEAST_TURN_DEG`, with p the predicted one; NaN where there is no such pair.
    """
    turned, truly = (rotation_log(relative_poses(w2c[None])[0][0]) for w2c in (pred, true))
    squared = truly.square().sum(-1)
    does_turn = squared.sqrt() >= math.radians(LEAST_TURN_DEG)
    parts = ((turned * truly).sum(-1) / squared)[does_turn]
    return float(parts.quantile(0.5)) if len(parts) else math.nan


def compared(scored: pd.DataFrame, arrays: Arrays, min_baseline: float) -> Comparisons:
    """Predicted cameras with the true ones of their own and of other clips."""
    kept = [arrays(sample) for sample in scored["sample"]]
    true, predicted = ([clip[name] for clip in kept] for name in (TRUE_W2C, PREDICTED_W2C))
    return compare_clips(scored, true, predicted, min_baseline)


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


def pooled(version: str, scored: pd.DataFrame, arrays: Arrays) -> dict[str, Interval]:
    """Areas, mean and median of the errors of all pairs of the dataset, with intervals over scenes."""
    method, thresholds = POOLED[version]

    def statistic(errors_deg: Floats) -> list[float]:
        areas = [float(pose_auc(torch.from_numpy(errors_deg), t, method)) for t in thresholds]
        return [*areas, float(errors_deg.mean()), float(np.median(errors_deg))]

    kept = (arrays(sample) for sample in scored["sample"])
    errors_deg = [
        joint_error(clip["rotation_error_deg"], clip["translation_error_folded_deg"]).numpy() for clip in kept
    ]
    is_share = [*(True for _ in thresholds), False, False]
    scenes = [names[0] for names in scored["scenes"]]
    found = pooled_intervals(statistic, errors_deg, scenes, bounded=is_share)
    return dict(zip((column.key for column in columns_of(version)), found, strict=True))


def chance() -> dict[str, float]:
    """What correct rotations with random translation directions score."""
    floor = {auc(AucMethod.EXACT, t, signed=True).key: chance_floor(t, signed=True) for t in THRESHOLDS}
    floor |= {auc(AucMethod.SUPERGLUE, t, signed=False).key: chance_floor(t) for t in (5, 10, 20)}
    return floor | {rpa_key(t): chance_accuracy(t) for t in RPA_THRESHOLDS}
