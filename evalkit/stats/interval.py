"""A mean with its confidence interval. Imports numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MIN_SCENES = 5  # with fewer, no interval is given


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval.

    Args:
        mean, low, high: the mean and the bounds of the interval; NaN where they are not known.
        n: number of rows in the mean.
        scenes: number of scenes that these rows touch.
        bounded: whether the bounds are those of a mean of values in [0, 1]; None where there was no choice.
    """

    mean: float
    low: float
    high: float
    n: int
    scenes: int
    bounded: bool | None = None


def column_sums(values: Floats) -> Floats:
    """Sum each column of [N, K]; the other columns do not change its last bit, as they do in ``values.sum(axis=0)``."""
    sums: Floats = np.ascontiguousarray(values.T).sum(axis=1)
    return sums


def intervals_of(
    means: Floats, low: Floats, high: Floats, n: int, scenes: int, bounded: Sequence[bool]
) -> tuple[Interval, ...]:
    """Return intervals from arrays [K]. NaN is always `math.nan`, so that intervals without ends compare as equal."""
    columns = zip(means.tolist(), low.tolist(), high.tolist(), strict=True)
    plain = [[math.nan if math.isnan(number) else number for number in column] for column in columns]
    return tuple(
        Interval(mean, first, last, n, scenes, flag) for (mean, first, last), flag in zip(plain, bounded, strict=True)
    )
