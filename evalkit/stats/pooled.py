"""Intervals of numbers that are not means over samples, such as a median or the area under a curve of all pairs.

Such a number is computed once from all values together. For its interval, scenes are drawn with replacement, and the
number is computed again from all values of the drawn scenes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from evalkit.stats.interval import Floats as Floats
from evalkit.stats.interval import Interval


def pooled_intervals(
    statistic: Callable[[Floats], Sequence[float]],
    values: Sequence[Floats],
    scenes: Sequence[str],
    *,
    seed: int = 0,
    draws: int = 1000,
    level: float = 0.95,
) -> tuple[Interval, ...]:
    """Return the numbers of a statistic of all values together, with percentile intervals.

    Args:
        statistic: takes values [N] and returns one or more numbers. If it does not depend on the order of its values,
            nor do the intervals depend on the order of samples.
        values: of each sample, [N_i].
        scenes: the scene of each sample.
        seed, draws, level: as in `mean_interval`.

    Returns:
        One interval for each number; its bounds are NaN where there are fewer than two scenes.

    Raises:
        ValueError: where there are no values, or not one scene for each sample.

    >>> pooled_intervals(lambda pool: [np.median(pool)], [np.array([1.0, 9.0]), np.array([2.0])], ["a", "b"])
    (Interval(mean=2.0, low=2.0, high=5.0, n=3, scenes=2),)
    """
    if not values or len(values) != len(scenes):
        raise ValueError(f"expected values of one or more samples with a scene each, got {len(values)}, {len(scenes)}")
    by_scene: dict[str, list[Floats]] = {}
    for scene, part in sorted(zip(scenes, values, strict=True), key=lambda pair: pair[0]):
        by_scene.setdefault(scene, []).append(part)
    clusters = [np.concatenate(parts) for parts in by_scene.values()]
    everything = np.concatenate(clusters)
    numbers, n, count = list(statistic(everything)), len(everything), len(clusters)
    if count < 2:
        return tuple(Interval(float(value), math.nan, math.nan, n, count) for value in numbers)
    drawn = np.random.default_rng(seed).integers(count, size=(draws, count))
    resampled = np.array([statistic(np.concatenate([clusters[i] for i in draw])) for draw in drawn])
    tail = (1 - level) / 2
    low = np.quantile(resampled, tail, axis=0, method="lower").tolist()
    high = np.quantile(resampled, 1 - tail, axis=0, method="higher").tolist()
    return tuple(Interval(float(v), a, b, n, count) for v, a, b in zip(numbers, low, high, strict=True))
