"""What summaries of several protocols share: means with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evalkit.metrics.named import IMAGE_METRICS, MIN_MSE
from evalkit.stats.bootstrap import Interval, mean_interval
from protocols.shared.columns import image_columns
from protocols.shared.sources import first_supported

__all__ = [
    "first_supported",
    "image_columns",
    "image_intervals",
    "intervals",
    "positions_of",
    "scored_rows",
    "slices_of",
]


def positions_of(positions: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Stack equally long position lists into a tensor [B, K]."""
    return torch.tensor([list(row) for row in positions], device=device)


def intervals(rows: pd.DataFrame, values: Mapping[str, pd.Series]) -> dict[str, Interval]:
    """Mean and 95 % interval of each series over ``rows``, clustered by their scenes."""
    if rows.empty or not values:
        return {}
    table = np.column_stack([series.to_numpy(dtype=float) for series in values.values()])
    found = mean_interval(table, [tuple(scenes) for scenes in rows["scenes"]])
    return dict(zip(values, found, strict=True))


def image_intervals(rows: pd.DataFrame, keys: Sequence[str]) -> dict[str, Interval]:
    """`intervals` of columns, where rows of a pooled metric hold the squared error and the mean becomes decibels."""
    found = intervals(rows, {key: rows[key] for key in keys})
    pooled = {name for name, metric in IMAGE_METRICS.items() if metric.pooled}
    return {key: _decibel(each) if key.split("|")[0] in pooled else each for key, each in found.items()}


def _decibel(mse: Interval) -> Interval:
    """Small errors are many decibels: the ends change places."""
    mean, low, high = (-10 * math.log10(max(value, MIN_MSE)) for value in (mse.mean, mse.high, mse.low))
    return Interval(mean, low, high, mse.n, mse.scenes)


def slices_of(rows: pd.DataFrame, values: pd.Series, names: pd.Series) -> dict[str, Interval]:
    """Mean and interval of ``values`` over the rows of each name, in the order of the categories."""
    found: dict[str, Interval] = {}
    for name in names.cat.categories:
        part = names == name
        found |= intervals(rows[part], {str(name): values[part]})
    return found


def scored_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the samples that could be scored."""
    return rows[rows["status"] == "ok"]
