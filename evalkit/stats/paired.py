"""Paired comparison of two methods on the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.stats.bootstrap import bootstrap_means, mean_interval
from evalkit.stats.interval import Floats, Interval


@dataclass(frozen=True)
class Comparison:
    """The mean difference with its interval, and the two-sided bootstrap p-value of "no difference"."""

    difference: Interval
    p_value: float


def paired_difference(
    a: Floats, b: Floats, scenes: Sequence[tuple[str, ...]], *, seed: int = 0, draws: int = 2000
) -> Comparison:
    """Compare two methods on the same samples, row by row, with scenes resampled.

    Args:
        a, b: values [N] of both methods. Rows where either is NaN are left out; equal infinities differ by 0.
        scenes: of each row, all scenes that it belongs to.
        seed, draws: as in `mean_interval`.

    Returns:
        The mean of a - b, and p: twice the share (1 + count) / (1 + draws) of resampled mean differences whose sign is
        opposite. It agrees with the interval and is never 0; NaN with fewer than two scenes.
    """
    with np.errstate(invalid="ignore"):
        difference = np.where(a == b, 0.0, np.asarray(a, dtype=np.float64) - b)
    kept = np.flatnonzero(~np.isnan(difference))
    values, names = difference[kept, None], [scenes[i] for i in kept.tolist()]
    (interval,) = mean_interval(values, names, seed=seed, draws=draws)
    if interval.scenes < 2:
        return Comparison(interval, float("nan"))
    means = bootstrap_means(values, names, seed=seed, draws=draws)
    means = means[~np.isnan(means)]
    tail = min((means <= 0).sum(), (means >= 0).sum())
    return Comparison(interval, min(1.0, 2 * (1 + float(tail)) / (1 + len(means))))
