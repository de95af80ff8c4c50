"""Numbers of all values of a data set together that are no means of samples, with intervals over scenes.

The area under a curve of all pairs, or a median, is computed once from everything. Its interval comes from drawing
scenes with replacement and computing it again from all that they hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.bootstrap import Interval

Floats = NDArray[np.float64]


def pooled_intervals(
    statistic: Callable[[Floats], Sequence[float]],
    values: Sequence[Floats],
    scenes: Sequence[str],
    *,
    seed: int = 0,
    draws: int = 1000,
    level: float = 0.95,
) -> tuple[Interval, ...]:
    """Each number of ``statistic`` of all ``values`` [N_i] together, with its percentile interval.

    ``values[i]`` belong to ``scenes[i]``. The order of samples changes nothing as long as it does not change what
    ``statistic`` says. Bounds are NaN where there are fewer than two scenes. Raises ValueError where there is nothing.

    >>> pooled_intervals(lambda pool: [np.median(pool)], [np.array([1.0, 9.0]), np.array([2.0])], ["a", "b"])
    (Interval(mean=2.0, low=2.0, high=5.0, n=3, scenes=2),)
    """
    if not values or len(values) != len(scenes):
        raise ValueError(f"expected values of one or more samples with a scene each, got {len(values)}, {len(scenes)}")
    named: dict[str, list[Floats]] = {}
    for scene, part in sorted(zip(scenes, values, strict=True), key=lambda each: each[0]):
        named.setdefault(scene, []).append(part)
    clusters = [np.concatenate(parts) for parts in named.values()]
    everything = np.concatenate(clusters)
    found, n, count = list(statistic(everything)), len(everything), len(clusters)
    if count < 2:
        return tuple(Interval(float(value), math.nan, math.nan, n, count) for value in found)
    drawn = np.random.default_rng(seed).integers(count, size=(draws, count))
    resampled = np.array([statistic(np.concatenate([clusters[i] for i in draw])) for draw in drawn])
    tail = (1 - level) / 2
    low = np.quantile(resampled, tail, axis=0, method="lower").tolist()
    high = np.quantile(resampled, 1 - tail, axis=0, method="higher").tolist()
    return tuple(Interval(float(v), a, b, n, count) for v, a, b in zip(found, low, high, strict=True))
