"""Paired comparison of two methods on the same samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as student

from evalkit.stats.design import Design, SceneSet
from evalkit.stats.interval import Floats, Interval
from evalkit.stats.mean import mean_interval

MIN_GROUPS = 6  # two-sided, k sign flips have no p below 2 / 2^k: 0.0625 with five
_MOST_ENUMERATED, _FLIPS = 14, 20_000
_BLOCK = 2000  # flips in memory at once


@dataclass(frozen=True)
class Comparison:
    """The mean difference with its interval, the two-sided p-value of "no difference", and why there is none.

    ``reason`` is empty where ``p_value`` is a number, which is NaN otherwise.
    """

    difference: Interval
    p_value: float
    reason: str = ""


def paired_difference(a: Floats, b: Floats, scenes: Sequence[SceneSet]) -> Comparison:
    """Compare two methods on the same samples, row by row.

    Where differences are symmetric about 0, so are sums over groups of rows that share scenes, and the sign of each
    group is a coin: p is the share of all 2^k sign flips of k groups whose mean is at least as far from 0 (exact for
    independent and clustered rows; Fisher 1935). Above 14 groups, 20,000 seeded flips stand for all, with the seen one
    counted in. Where crossed rows form fewer than six groups, or effectively fewer because one holds most rows, p is
    Student's, with the variance and degrees of freedom of `Design`.

    Args:
        a, b: values [N] of both methods. Rows where either is NaN are left out; equal infinities differ by 0.
        scenes: of each row, all scenes that it belongs to.

    Returns:
        The mean of a - b with its interval (none where all differences are equal), and p; NaN with the reason where no
        p below 0.05 is possible.
    """
    with np.errstate(invalid="ignore"):
        difference = np.where(np.asarray(a) == b, 0.0, np.asarray(a, dtype=np.float64) - b)
    kept = np.flatnonzero(~np.isnan(difference))
    values, names = difference[kept], [scenes[i] for i in kept.tolist()]
    (interval,) = mean_interval(values[:, None], names, bounded=False)
    interval = _within(interval, values, np.concatenate([a, b]))
    p_value, reason = _test(values, names)
    return Comparison(interval, p_value, reason)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, so that any false positive has the level of one (Holm 1979).

    NaN stays NaN and does not count.

    >>> holm([0.01, 0.04, float("nan"), 0.03])
    [0.03, 0.06, nan, 0.06]
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    adjusted, highest = [math.nan] * len(p_values), 0.0
    for rank, (p, i) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        adjusted[i] = highest
    return adjusted


def _within(interval: Interval, values: Floats, both: Floats) -> Interval:
    """No interval where all differences are equal; for scores in [0, 1], one inside [-1, 1]."""
    if not len(values) or (values == values[0]).all():
        return replace(interval, low=math.nan, high=math.nan)
    if np.nanmin(both) < 0 or np.nanmax(both) > 1:
        return interval
    return replace(interval, low=float(np.maximum(interval.low, -1)), high=float(np.minimum(interval.high, 1)))


def _test(values: Floats, names: Sequence[SceneSet]) -> tuple[float, str]:
    if not len(values):
        return math.nan, "no sample has both numbers"
    if not np.isfinite(values).all():
        return math.nan, "a difference is infinite"
    design, rows_of_cells = Design.of(names)
    if len(design.names) < MIN_GROUPS:
        return math.nan, f"{len(design.names)} scenes: no p below 0.05 is possible with fewer than {MIN_GROUPS}"
    if not values.any():
        return 1.0, ""
    sizes = design.group_sizes
    effective = sizes.sum() ** 2 / (sizes**2).sum()
    if len(sizes) >= MIN_GROUPS and (effective >= MIN_GROUPS or not design.is_crossed):
        return _sign_flips(_group_sums(values, design, rows_of_cells)), ""
    if not design.is_crossed:
        return math.nan, f"{len(sizes)} groups of scenes: no p below 0.05 is possible with fewer than {MIN_GROUPS}"
    return _student(values, design, rows_of_cells)


def _group_sums(values: Floats, design: Design, rows_of_cells: Sequence[Sequence[int]]) -> Floats:
    """Sums of the values of each group of connected cells, exact, so that the order of rows plays no part."""
    rows: dict[int, list[int]] = {}
    for label, own in zip(design.components, rows_of_cells, strict=True):
        rows.setdefault(label, []).extend(own)
    return np.array([math.fsum(values[own]) for own in rows.values()])


def _sign_flips(sums: Floats) -> float:
    """Return the share of sign flips of ``sums`` [k] whose total is at least as far from 0 as the one seen."""
    seen = abs(float(sums.sum())) - 1e-9 * float(np.abs(sums).sum())  # equal totals may differ by rounding
    if len(sums) <= _MOST_ENUMERATED:
        totals = np.zeros(1)
        for value in sums[1:]:  # flipping all signs changes no distance: the first sign stays
            totals = np.concatenate([totals + value, totals - value])
        return float((np.abs(totals + sums[0]) >= seen).mean())
    rng, count = np.random.default_rng(0), 0
    for _ in range(_FLIPS // _BLOCK):
        signs = 1.0 - 2.0 * rng.integers(2, size=(_BLOCK, len(sums)), dtype=np.int8)
        count += int((np.abs(signs @ sums) >= seen).sum())
    return (1 + count) / (1 + _FLIPS)


def _student(values: Floats, design: Design, rows_of_cells: Sequence[Sequence[int]]) -> tuple[float, str]:
    _, degrees = design.degrees_of_freedom
    if math.isnan(degrees):
        return math.nan, "too many rows share a scene to tell how much the mean varies"
    mean = math.fsum(values) / len(values)
    residuals = values - mean
    sums = np.array([[math.fsum(residuals[rows])] for rows in rows_of_cells])
    squares = np.array([math.fsum(residuals**2)])
    error = math.sqrt(float(design.variance(sums, squares)[0]))
    return (float(2 * student.sf(abs(mean) / error, degrees)) if error > 0 else 0.0), ""
