"""What protocols share: picking the target-pose source, stacking positions, means with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evalkit.card import Card, TargetPose
from evalkit.errors import Unsupported
from evalkit.metrics.named import MIN_MSE, image_metric, is_pooled
from evalkit.protocol import Column
from evalkit.stats.bootstrap import Interval, mean_interval


def first_supported(card: Card, ours: Sequence[TargetPose], asked: TargetPose | None) -> TargetPose:
    """The source that was asked for, else the first of the method's that the protocol can use.

    Raises Unsupported where there is none: scores of different sources are not comparable, so none is guessed.
    """
    if asked is not None and (asked not in card.target_poses or asked not in ours):
        offered = [source.value for source in card.target_poses if source in ours]
        raise Unsupported(f"protocol.target_pose={asked}: {card.name} offers {', '.join(offered) or 'none'} here")
    for source in (asked,) if asked else card.target_poses:
        if source in ours:
            return source
    raise Unsupported(
        f"baseline '{card.name}' offers target poses {', '.join(card.target_poses)}; "
        f"this protocol takes {', '.join(ours)}"
    )


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


def image_columns(names: Sequence[str]) -> tuple[Column, ...]:
    """A column for each image metric by name."""
    return tuple(image_metric(name).column() for name in names)


def image_intervals(rows: pd.DataFrame, keys: Sequence[str]) -> dict[str, Interval]:
    """`intervals` of columns, where rows of a pooled metric hold the squared error and the mean becomes decibels."""
    found = intervals(rows, {key: rows[key] for key in keys})
    return {key: _decibel(each) if is_pooled(key.split("|")[0]) else each for key, each in found.items()}


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
