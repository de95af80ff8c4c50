"""What each version of pose counts: its columns, the numbers of one clip, and those of all pairs together."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evalkit.geometry.alignment import DegenerateAlignment
from evalkit.metrics.pose import AucMethod, chance_accuracy, chance_floor, joint_error, pose_auc
from evalkit.metrics.pose_scores import THRESHOLDS, PoseScores
from evalkit.metrics.trajectory import ate, extent, rpe
from evalkit.protocol import Arrays, Column, Value
from evalkit.stats.bootstrap import Interval
from evalkit.stats.pooled import Floats, pooled_intervals

ALIGNED = "aligned"
POOLED = {"noposplat": (AucMethod.SUPERGLUE, (5, 10, 20)), "vggt": (AucMethod.VGGT, (30, 15, 5, 3))}
RPA = (5, 15, 30)


def columns_of(version: str) -> tuple[Column, ...]:
    """What is printed; of the pooled versions in the order of `pooled`."""
    if version in POOLED:
        method, thresholds = POOLED[version]
        return (
            *(Column(f"auc_{method}_folded@{t}", f"AUC@{t}\npooled", 100, 1) for t in thresholds),
            Column("error_deg_mean", "mean\nerror °"),
            Column("error_deg_median", "median\nerror °"),
        )
    if version == "erayzer":
        return tuple(Column(f"rpa@{t}", f"RPA@{t}", 100, 1) for t in RPA)
    return (
        *(Column(f"auc_exact_signed@{t}", f"AUC@{t}\nsigned", 100, 1) for t in THRESHOLDS),
        Column("magnitude", "lengths\nagree %", 100, 1),
        Column("ate_relative", "ATE, %\nof extent", 100, 1),
        Column("rpe_rotation_deg", "RPE\nrotation °"),
        Column("rpe_translation_relative", "RPE transl.\n% of extent", 100, 1),
    )


def folded_errors(scores: PoseScores) -> Tensor:
    """What all three papers count: the larger error of each pair, translation sign-folded."""
    return joint_error(scores.rotation, scores.folded)


def trajectory_row(pred: Tensor, true: Tensor) -> dict[str, Value]:
    """ATE and RPE (root mean square), also over the widest true baseline; why not, where there is no alignment."""
    keys = ("ate", "ate_relative", "rpe_rotation_deg", "rpe_translation", "rpe_translation_relative")
    try:
        away, (rotation_deg, translation) = float(ate(pred, true)), rpe(pred, true)
    except DegenerateAlignment as error:
        reason = str(error).replace("source", "predicted").replace("target", "true")
        return {ALIGNED: reason, **dict.fromkeys(keys, math.nan)}
    wide, step = float(extent(true)), _rms(translation)
    values = (away, away / wide, _rms(rotation_deg), step, step / wide)
    return {ALIGNED: "yes", **dict(zip(keys, values, strict=True))}


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


def pooled(version: str, scored: pd.DataFrame, arrays: Arrays) -> dict[str, Interval]:
    """Areas, mean and median of the errors of all pairs of the data set, with intervals over scenes."""
    method, thresholds = POOLED[version]

    def statistic(errors: Floats) -> list[float]:
        areas = [float(pose_auc(torch.from_numpy(errors), t, method)) for t in thresholds]
        return [*areas, float(errors.mean()), float(np.median(errors))]

    kept = (arrays(sample) for sample in scored["sample"])
    errors = [joint_error(each["rotation_error_deg"], each["translation_error_folded_deg"]).numpy() for each in kept]
    found = pooled_intervals(statistic, errors, [scenes[0] for scenes in scored["scenes"]])
    return dict(zip((column.key for column in columns_of(version)), found, strict=True))


def chance() -> dict[str, float]:
    """Right rotations with random directions of translation."""
    floor = {f"auc_exact_signed@{t}": chance_floor(t, signed=True) for t in THRESHOLDS}
    floor |= {f"auc_{AucMethod.SUPERGLUE}_folded@{t}": chance_floor(t) for t in (5, 10, 20)}
    return floor | {f"rpa@{t}": chance_accuracy(t) for t in RPA}
