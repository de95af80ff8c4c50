"""Intervals of numbers that are functions of all rows: a median, the area under a curve of all pairs, pooled decibels.

Such a number is computed once from all rows together. Its interval is a jackknife over scenes (Tukey 1958): the number
is computed again without each set of scenes (a scene; or a pair, where rows touch two), and the changes take the place
of the residuals of a mean. For a mean, the interval is that of `mean_interval` to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from evalkit.stats.design import Design, SceneSet
from evalkit.stats.interval import Floats as Floats
from evalkit.stats.interval import Interval, column_sums, intervals_of
from evalkit.stats.mean import ends

Numbers = NDArray[np.int64]


def pooled_intervals(
    statistic: Callable[[Floats], Sequence[float]],
    values: Sequence[Floats],
    scenes: Sequence[str],
    *,
    bounded: Sequence[bool] | None = None,
    level: float = 0.95,
) -> tuple[Interval, ...]:
    """Return the numbers of a statistic of all values together, with intervals over scenes.

    Args:
        statistic: takes values [N] and returns one or more numbers. If it does not depend on the order of its values,
            nor do the intervals depend on the order of samples.
        values: of each sample, [N_i].
        scenes: the scene of each sample.
        bounded: of each number, whether it is a share or score that cannot leave [0, 1]; none where this is None.
        level: coverage of the interval.

    Returns:
        One interval for each number; its bounds are NaN where there are fewer than five scenes.

    Raises:
        ValueError: where there are no values, or not one scene for each sample.

    >>> pooled_intervals(lambda pool: [np.median(pool)], [np.array([1.0, 9.0]), np.array([2.0])], ["a", "b"])
    (Interval(mean=2.0, low=nan, high=nan, n=3, scenes=2, bounded=False),)
    """
    if not values or len(values) != len(scenes):
        raise ValueError(f"expected values of one or more samples with a scene each, got {len(values)}, {len(scenes)}")
    by_scene: dict[str, list[Floats]] = {}
    for scene, part in sorted(zip(scenes, values, strict=True), key=lambda pair: pair[0]):
        by_scene.setdefault(scene, []).append(part)
    clusters = [np.concatenate(parts) for parts in by_scene.values()]
    pool = np.concatenate(clusters)
    design = Design(tuple((scene,) for scene in by_scene), tuple(map(len, clusters)))
    rows = np.split(np.arange(len(pool)), np.cumsum(design.sizes)[:-1])
    return _jackknife(lambda kept: statistic(pool[kept]), design, rows, bounded, level)


def jackknife(
    statistic: Callable[[Numbers], Sequence[float]],
    scenes: Sequence[SceneSet],
    *,
    bounded: Sequence[bool] | None = None,
    level: float = 0.95,
) -> tuple[Interval, ...]:
    """Return numbers with intervals, where a statistic computes them from any part of the rows.

    Without the n_c rows of a cell (a set of scenes), the number changes by d_c. (n_c - N) d_c stands for the sum of the
    cell's residuals: for a mean it is that sum.

    Args:
        statistic: takes row numbers in ascending order and returns K numbers.
        scenes: of each of the N rows, all scenes that it belongs to.
        bounded, level: as in `pooled_intervals`.
    """
    design, rows_of_cells = Design.of(scenes)
    return _jackknife(statistic, design, [np.array(rows) for rows in rows_of_cells], bounded, level)


def _jackknife(
    statistic: Callable[[Numbers], Sequence[float]],
    design: Design,
    rows_of_cells: Sequence[Numbers],
    bounded: Sequence[bool] | None,
    level: float,
) -> tuple[Interval, ...]:
    everything = np.arange(design.rows)
    numbers = np.array(statistic(everything), dtype=np.float64)
    flags = [False] * len(numbers) if bounded is None else bounded
    low = high = np.full(len(numbers), math.nan)
    if len(rows_of_cells) > 1:
        without = [np.array(statistic(np.delete(everything, rows)), dtype=np.float64) for rows in rows_of_cells]
        left = design.rows - design.counts[:, None]
        with np.errstate(invalid="ignore"):
            sums = left * (numbers - np.stack(without))
        squares = column_sums(sums**2 / design.counts[:, None])
        low, high = ends(design, numbers, sums, squares, flags, level)
    return intervals_of(numbers, low, high, design.rows, len(design.names), flags)
