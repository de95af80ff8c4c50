"""A mean with its confidence interval. Imports numpy only."""

from __future__ import annotations

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
    """

    mean: float
    low: float
    high: float
    n: int
    scenes: int
