"""Means with intervals for rows that are independent, clustered by scene, or crossed (a row touches two scenes)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import beta, norm
from scipy.stats import t as student

from evalkit.stats.design import Design, SceneSet
from evalkit.stats.interval import MIN_SCENES, Floats, Interval, column_sums, intervals_of

MIN_GROUPS = 5  # with fewer, sums are added up by set of scenes instead of by group
_LONG_SIDE = 2.0  # times Edgeworth's first term, on the side of the long tail


def mean_interval(
    values: Floats, scenes: Sequence[SceneSet], *, bounded: bool | None = None, level: float = 0.95
) -> tuple[Interval, ...]:
    """Return the mean and interval of each column of ``values``.

    The order of rows does not change the last bit. Formulas and measured coverage: docs/statistics.md.

    Args:
        values: [N, K]. NaN means absent: a column is computed from its other rows alone.
        scenes: of each row, all scenes that it belongs to.
        bounded: whether values are shares or scores that cannot leave [0, 1]. None: those of a column are where all of
            them lie there. Say False for what has no upper bound (errors, decibels, distances).
        level: coverage of the interval.

    Returns:
        K intervals. ``low`` and ``high`` are NaN with fewer than 5 scenes, where all rows have a scene in common, and
        for an infinite mean. The mean is NaN too where no row is left.

    Raises:
        ValueError: for shapes that do not fit, and for a row without a scene.

    >>> mean_interval(np.array([[0.0]] * 24), [(f"scene{i}",) for i in range(24)])[0].high  # 0 of 24 failures
    0.1424...
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(scenes):
        raise ValueError(f"values must be [N, K] with N = {len(scenes)} rows of scenes, got {list(values.shape)}")
    found: dict[int, Interval] = {}
    present, pattern = np.unique(~np.isnan(values), axis=1, return_inverse=True)
    for k in range(present.shape[1]):
        columns = np.flatnonzero(pattern.reshape(-1) == k)
        kept = np.flatnonzero(present[:, k])
        part = _intervals(values[np.ix_(kept, columns)], [scenes[i] for i in kept.tolist()], bounded, level)
        found |= zip(columns.tolist(), part, strict=True)
    return tuple(found[column] for column in range(values.shape[1]))


def ends(
    design: Design, means: Floats, sums: Floats, squares: Floats, bounded: Sequence[bool], level: float
) -> tuple[Floats, Floats]:
    """Return both ends [K] of the intervals of means [K].

    Args:
        design: the cells of the rows.
        means: the numbers in the middle.
        sums: residuals (or influences) summed over cells [C, K].
        squares: sum of the squared residuals of all rows [K].
        bounded: of each mean, whether it is a mean of values in [0, 1].
        level: coverage of the interval.
    """
    nothing = np.full(len(means), np.nan)
    degrees, _ = design.degrees_of_freedom
    if len(design.names) < MIN_SCENES or math.isnan(degrees):
        return nothing, nothing.copy()
    variance = design.variance(sums, squares)
    low, high = _skewed(design, means, variance, design.third_cumulant(sums), degrees, level)
    share_low, share_high = _of_shares(design, means, variance, squares, level)
    low, high = np.where(bounded, share_low, low), np.where(bounded, share_high, high)
    known = np.isfinite(means)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def _skewed(
    design: Design, means: Floats, variance: Floats, cumulant: Floats, degrees: float, level: float
) -> tuple[Floats, Floats]:
    """Student's interval, longer on the side of the long tail.

    Edgeworth's first term moves the quantiles of a studentised mean by g (1 + 2 t^2) / 6, g its skewness (Hall 1992,
    section 3.4). Twice that is added on the long side, since the skewness of few rows is an underestimate, and nothing
    is taken from the short side. g is made unbiased for independent rows: n^2 / ((n - 1)(n - 2)), n = df + 1.
    """
    error, quantile = np.sqrt(variance), float(student.ppf((1 + level) / 2, degrees))
    unbiased = (degrees + 1) ** 2 / (degrees * max(degrees - 1, 0.7))
    with np.errstate(invalid="ignore", divide="ignore"):
        skewness = np.where(error > 0, np.clip(unbiased * cumulant / error**3, -1, 1), 0.0)
    longer = long_side(skewness, quantile)
    return means - error * (quantile + np.maximum(-longer, 0)), means + error * (quantile + np.maximum(longer, 0))


def long_side(skewness: Floats, quantile: float) -> Floats:
    """How much longer than Student's ``quantile`` an interval is on its long side; negative where that is the lower."""
    return _LONG_SIDE * skewness * (1 + 2 * quantile**2) / 6


def _of_shares(design: Design, means: Floats, variance: Floats, squares: Floats, level: float) -> tuple[Floats, Floats]:
    """Gaffke's interval of means of values in [0, 1], with an effective number of rows n; exact for shares.

    A lower end for any distribution on [0, 1]: the quantile of the mean of the values and of one more value 0, under
    Dirichlet weights of one each (Gaffke 2005; Learned-Miller and Thomas 2019). For values 0 and 1 that is Clopper and
    Pearson's. The quantile is that of the beta distribution with the same mean and variance. n is the variance of a row
    over that of the mean, times (z / t)^2 (Korn and Graubard 1998); where all rows are equal, `Design.units`.
    """
    _, degrees = design.degrees_of_freedom
    ratio = float(norm.ppf((1 + level) / 2) / student.ppf((1 + level) / 2, degrees))
    with np.errstate(invalid="ignore", divide="ignore"):
        p = np.clip(means, 0.0, 1.0)
        n = np.where((squares > 0) & (variance > 0), squares / (design.rows - 1) / variance * ratio**2, design.units)
    n, spread, tail = np.maximum(n, 1.0), squares / design.rows, (1 - level) / 2
    low, high = _gaffke(p, spread, n, tail), 1 - _gaffke(1 - p, spread, n, tail)
    return np.where(p <= 0, 0.0, np.minimum(low, p)), np.where(p >= 1, 1.0, np.maximum(high, p))


def _gaffke(p: Floats, spread: Floats, n: Floats, tail: float) -> Floats:
    """Return the lower quantile ``tail`` of the mean of n values (mean p, variance ``spread``) and one 0."""
    mean = n * p / (n + 1)
    variance = (n * (spread + p**2) / (n + 1) - mean**2) / (n + 2)
    total = mean * (1 - mean) / np.maximum(variance, 1e-300) - 1
    quantile: Floats = beta.ppf(tail, np.maximum(mean * total, 1e-12), np.maximum((1 - mean) * total, 1e-12))
    return quantile


def _intervals(values: Floats, scenes: Sequence[SceneSet], bounded: bool | None, level: float) -> Sequence[Interval]:
    columns = values.shape[1]
    if not len(values):
        return [Interval(math.nan, math.nan, math.nan, 0, 0)] * columns
    design, rows_of_cells = Design.of(scenes)
    means = np.array(_exact_means(values, design, rows_of_cells))
    infinite = ~np.isfinite(values).all(axis=0)
    finite = np.where(infinite, 0.0, values)
    centred = finite - np.where(infinite, 0.0, means)
    sums = np.array([column_sums(np.sort(centred[rows], axis=0)) for rows in rows_of_cells])
    squares = column_sums(np.sort(centred, axis=0) ** 2)
    lowest, highest = finite.min(axis=0).tolist(), finite.max(axis=0).tolist()
    inside = [low >= 0 and high <= 1 for low, high in zip(lowest, highest, strict=True)]
    shares = inside if bounded is None else [bounded] * columns
    low, high = ends(design, np.where(infinite, np.nan, means), sums, squares, shares, level)
    return intervals_of(means, low, high, len(values), len(design.names), shares)


def _exact_means(values: Floats, design: Design, rows_of_cells: Sequence[Sequence[int]]) -> list[float]:
    """Means of columns, added up exactly by group of connected cells, or by cell where groups are effectively few."""
    sizes = design.group_sizes
    blocks: dict[int, list[int]] = {}
    by_group = sizes.sum() ** 2 / (sizes**2).sum() >= MIN_GROUPS
    for cell, (label, rows) in enumerate(zip(design.components, rows_of_cells, strict=True)):
        blocks.setdefault(label if by_group else cell, []).extend(rows)
    finite = np.where(np.isfinite(values), values, 0.0)
    sums = np.array([[math.fsum(column) for column in finite[rows].T] for rows in blocks.values()])
    plus, minus = ((values == sign).any(axis=0) for sign in (np.inf, -np.inf))
    with np.errstate(invalid="ignore"):
        extra = np.where(plus, np.inf, 0.0) + np.where(minus, -np.inf, 0.0)
    return [math.fsum(column) / len(values) + more for column, more in zip(sums.T, extra.tolist(), strict=True)]
