"""What protocols share: picking the target-pose source, stacking positions, means with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evalkit.errors import UserError
from evalkit.method import Card, TargetPose
from evalkit.stats.bootstrap import Interval, mean_interval

# PSNR saturates at 100 dB, so that one exact copy among the targets does not make a mean infinite.
MIN_MSE = 1e-10


def first_supported(card: Card, ours: Sequence[TargetPose], asked: TargetPose | None) -> TargetPose:
    """The source that was asked for, else the first of the method's that the protocol can use.

    Raises UserError where there is none: scores of different sources are not comparable, so none is guessed.
    """
    if asked is not None and (asked not in card.target_poses or asked not in ours):
        offered = [source.value for source in card.target_poses if source in ours]
        raise UserError(f"protocol.target_pose={asked}: {card.name} offers {', '.join(offered) or 'none'} here")
    for source in (asked,) if asked else card.target_poses:
        if source in ours:
            return source
    raise UserError(
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


def scored_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the samples that could be scored."""
    return rows[rows["status"] == "ok"]
