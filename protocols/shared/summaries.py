"""Means with intervals, from the rows of several protocols."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evalkit.metrics.named import MIN_MSE, is_pooled
from evalkit.stats import Interval, mean_interval
from evalkit.stats.pooled import jackknife


def positions_of(positions: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Stack equally long position lists into a tensor [B, K]."""
    return torch.tensor([list(row) for row in positions], device=device)


def scored_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the samples that could be scored."""
    return rows[rows["status"] == "ok"]


def intervals(rows: pd.DataFrame, values: Mapping[str, pd.Series], bounded: bool | None = None) -> dict[str, Interval]:
    """Mean and 95 % interval of each series over ``rows``, clustered by their scenes; none where there is no row.

    ``bounded`` as in `mean_interval`: whether values are shares or scores in [0, 1]; None: where all of them lie there.
    """
    if rows.empty or not values:
        return {}
    table = np.column_stack([series.to_numpy(dtype=float) for series in values.values()])
    means = mean_interval(table, [tuple(scenes) for scenes in rows["scenes"]], bounded=bounded)
    return dict(zip(values, means, strict=True))


def image_intervals(rows: pd.DataFrame, keys: Sequence[str]) -> dict[str, Interval]:
    """`intervals` of the columns ``keys``: image metrics, by name or as NAME|VARIANT, and other numbers.

    Rows of a pooled metric hold the squared error; its mean becomes decibels, with a jackknife over scenes.
    """
    means = intervals(rows, {key: rows[key] for key in keys}, bounded=False)
    return {
        key: _decibel(mean, rows, rows[key]) if is_pooled(key.split("|")[0]) else mean for key, mean in means.items()
    }


def slices_of(rows: pd.DataFrame, values: pd.Series, names: pd.Series) -> dict[str, Interval]:
    """Mean and interval of ``values`` over the rows of each category of ``names``, in the order of the categories."""
    means: dict[str, Interval] = {}
    for name in names.cat.categories:
        is_in_part = names == name
        means |= intervals(rows[is_in_part], {str(name): values[is_in_part]})
    return means


def _decibel(mse: Interval, rows: pd.DataFrame, errors: pd.Series) -> Interval:
    """A mean squared error as decibels."""
    is_present = errors.notna()
    values = errors[is_present].to_numpy(dtype=float)
    if not len(values):
        return mse
    scenes = [tuple(names) for names in rows["scenes"][is_present]]
    (interval,) = jackknife(lambda kept: [_psnr(float(values[kept].mean()))], scenes)
    return replace(interval, mean=_psnr(mse.mean))


def _psnr(mse: float) -> float:
    return -10 * math.log10(max(mse, MIN_MSE))
