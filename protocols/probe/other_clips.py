"""Predicted cameras against the true ones of their own test clip, and of the other test clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evalkit.stats.interval import Interval
from evalkit.stats.jackknife import OwnAndOthers
from evalkit.training.pose_loss import RelativePoses
from protocols.probe.columns import NEAR_SHARE, SHARE
from protocols.shared.clip_skill import compare_clips
from protocols.shared.skill import Statistic, inside, mean_of_others, skill
from protocols.shared.skill_names import BEATEN, NEAR_SKILL, SKILL

# The numbers that compare with other clips, and how each is made of two means.
STATISTICS: Mapping[str, Statistic] = {
    SHARE: mean_of_others,
    NEAR_SHARE: mean_of_others,
    SKILL: skill,
    NEAR_SKILL: skill,
}


def compared(
    predicted: RelativePoses, true: RelativePoses, test_rows: pd.DataFrame, min_baseline: float
) -> dict[str, OwnAndOthers]:
    """Errors of the poses [N, V] of test clips with their own and with other clips, by the key of `STATISTICS`."""
    found = compare_clips(test_rows, with_reference(true), with_reference(predicted), min_baseline).estimated
    is_near = ~np.isnan(found[NEAR_SKILL].others)
    share = found[BEATEN]
    near_share = replace(share, others=np.where(is_near, share.others, np.nan))
    return {SHARE: share, NEAR_SHARE: near_share, SKILL: found[SKILL], NEAR_SKILL: found[NEAR_SKILL]}


def mean_over_seeds(of_seeds: Sequence[Mapping[str, OwnAndOthers]]) -> dict[str, OwnAndOthers]:
    """The mean of the values of all seeds, clip by clip."""
    return {
        key: replace(
            first,
            own=np.mean([one[key].own for one in of_seeds], axis=0),
            others=np.mean([one[key].others for one in of_seeds], axis=0),
        )
        for key, first in of_seeds[0].items()
    }


def intervals_of(values: Mapping[str, OwnAndOthers]) -> dict[str, Interval]:
    """Each number with its interval, where there are other clips."""
    means = {key: of.means() for key, of in values.items()}
    found = {key: of.interval(STATISTICS[key]) for key, of in means.items() if of.rows}
    return {key: inside(number) if key in (SHARE, NEAR_SHARE) else number for key, number in found.items()}


def numbers_of(values: Mapping[str, OwnAndOthers]) -> dict[str, float]:
    """Each number without an interval."""
    return {key: float(STATISTICS[key](*of.whole())) for key, of in values.items()}


def with_reference(poses: RelativePoses) -> list[Tensor]:
    """w2c [1 + V', 4, 4] of each clip: of the reference, which is the identity, and of the V' views that count."""
    w2c = torch.eye(4, dtype=torch.float64).repeat(*poses.counts.shape, 1, 1)
    w2c[..., :3, :3], w2c[..., :3, 3] = poses.rotation.double(), poses.translation.double()
    reference = torch.eye(4, dtype=torch.float64)[None]
    return [torch.cat([reference, clip[counts]]) for clip, counts in zip(w2c, poses.counts, strict=True)]
