"""Intervals of numbers that compare each row with other clips, such as skill: a jackknife over scenes.

Such a number is no mean over rows: a clip is compared with its own row, and serves as *other* for the rest. A scene is
therefore left out twice at once: its rows go, and its clips go as others.

A row of two scenes (a pose carried from A to B) is left out with either. What is then counted twice is taken off, as in
the dyadic-robust variance of Aronow, Samii and Assenova (Political Analysis 2015): with ``d`` the change of the number,

    variance = (n - 1)/n (sum over scenes d^2 - sum over sets of two or more scenes d^2)

where a set of scenes is left out as rows only, and n is the number of scenes or of distinct sets, whichever is smaller.
Degrees of freedom are those of the rows (`evalkit.stats.design`). As that of a mean, the interval is longer on the side
of the long tail (`evalkit.stats.mean.long_tailed_ends`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from evalkit.stats.design import Design
from evalkit.stats.interval import MIN_SCENES, Floats, Interval
from evalkit.stats.mean import long_tailed_ends
from evalkit.stats.paired import Comparison

_NONE = (math.nan, math.nan)
_NAN = np.full(2, np.nan)
Ints = NDArray[np.int64]
Statistic = Callable[[Floats, Floats], Floats]  # of the means of own and of others, elementwise


@dataclass(frozen=True)
class OwnAndOthers:
    """Values of N rows: of each with its own clip, and with M other clips.

    Args:
        own: [N].
        others: [N, M]; NaN where there is no such other.
        other_scenes: [N, M], the scene of each other clip, as an index into ``names``.
        scenes: of each row, all scenes that it belongs to.
        names: names of the scenes of the other clips.
    """

    own: Floats
    others: Floats
    other_scenes: Ints
    scenes: Sequence[tuple[str, ...]]
    names: Sequence[str]

    def whole(self) -> Floats:
        """Return the means of own and of others over all rows [2], as `means` does, without leaving anything out."""
        kept = self._kept()
        return np.array([self.own[kept].mean(), np.nanmean(self.others[kept], axis=1).mean()]) if len(kept) else _NAN

    def _kept(self) -> Ints:
        """The rows with a value of their own and at least one other."""
        return np.flatnonzero(~np.isnan(self.own) & ~np.isnan(self.others).all(axis=1))

    def means(self) -> LeftOut:
        """Return the means of own and of others over all rows, and over what is left without each scene.

        A row without any other counts nowhere. The mean of others is the mean over rows of each row's mean.
        """
        kept = self._kept()
        design, rows_of_sets = Design.of([self.scenes[i] for i in kept.tolist()])
        rows, touched = _Rows.of(self, kept, design, rows_of_sets), len(design.names)
        degrees = design.degrees_of_freedom if touched >= MIN_SCENES else _NONE
        return LeftOut(
            rows.whole(), rows.without_scenes(), rows.without_sets(), len(kept), touched, rows.units, degrees
        )


@dataclass(frozen=True)
class LeftOut:
    """Means of own and others: over all [2], without each scene [2, S], without the rows of each set [2, C].

    ``rows`` and ``touched``: the numbers of rows and of their scenes; ``units``: of scenes or distinct sets of scenes,
    whichever is smaller; ``degrees`` of freedom of an interval and of a test, NaN where rows do not tell it.
    """

    whole: Floats
    scenes: Floats
    sets: Floats
    rows: int
    touched: int
    units: int
    degrees: tuple[float, float]

    def changes(self, statistic: Statistic) -> tuple[float, Floats, Floats]:
        """Return the statistic, and how much it changes without each scene [S] and without each set [C]."""
        with np.errstate(invalid="ignore", divide="ignore"):
            number = statistic(*self.whole)
            return float(number), statistic(*self.scenes) - number, statistic(*self.sets) - number

    def interval(self, statistic: Statistic, level: float = 0.95, *, is_symmetric: bool = False) -> Interval:
        """Return a statistic of the two means with its interval.

        Student's t, longer on the side of the long tail unless the statistic is known to be symmetric.
        """
        return self._interval(*self.changes(statistic), level, is_symmetric)

    def difference(self, other: LeftOut, statistic: Statistic, level: float = 0.95) -> Comparison:
        """Return the statistic less that of another method on the same rows, and the two-sided p of "no difference"."""
        if not self.rows:
            return Comparison(Interval(math.nan, math.nan, math.nan, 0, 0), math.nan, "no sample has both numbers")
        mine, others = self.changes(statistic), other.changes(statistic)
        number, by_scene, by_set = mine[0] - others[0], mine[1] - others[1], mine[2] - others[2]
        error = math.sqrt(_variance(by_scene, by_set, self.units))
        p_value = float(2 * student_t.sf(abs(number) / error, self.degrees[1])) if error > 0 else math.nan
        reason = f"{self.touched} scenes do not tell how much this number varies" if math.isnan(p_value) else ""
        return Comparison(self._interval(number, by_scene, by_set, level), p_value, reason)

    def _interval(
        self, number: float, by_scene: Floats, by_set: Floats, level: float, is_symmetric: bool = False
    ) -> Interval:
        error = math.sqrt(_variance(by_scene, by_set, self.units))
        quantile = float(student_t.ppf((1 + level) / 2, self.degrees[0]))
        skewness = 0.0 if is_symmetric else _skewness(by_scene, by_set, error, self.units)
        low, high = long_tailed_ends(np.array(number), np.array(error), np.array(skewness), quantile)
        return Interval(number, float(low), float(high), self.rows, self.touched)


def jackknife_difference(a: OwnAndOthers, b: OwnAndOthers, statistic: Statistic, level: float = 0.95) -> Comparison:
    """Compare a statistic of two methods, a - b, on the rows and with the others that both have a value for.

    Both hold the same rows and the same others, in the same order.
    """
    own = np.isnan(a.own) | np.isnan(b.own)
    others = np.isnan(a.others) | np.isnan(b.others)
    of_both = [
        replace(one, own=np.where(own, np.nan, one.own), others=np.where(others, np.nan, one.others)).means()
        for one in (a, b)
    ]
    return of_both[0].difference(of_both[1], statistic, level)


def _variance(by_scene: Floats, by_set: Floats, units: int) -> float:
    once, twice = float((by_set**2).sum()), float((by_scene**2).sum())
    # the difference may be negative by chance; that of the rows alone is its least sensible value
    return (units - 1) / units * max(twice - once, once if by_set.size else 0.0)


def _skewness(by_scene: Floats, by_set: Floats, error: float, units: int) -> float:
    """Skewness of the number, from its changes, which have the opposite sign of what a scene adds to it.

    For a mean of independent rows it is the unbiased one of `mean_interval`.
    """
    if not error > 0:
        return 0.0
    unbiased = (units - 1) ** 2 / (units * max(units - 2, 1))
    return float(np.clip(unbiased * ((by_set**3).sum() - (by_scene**3).sum()) / error**3, -1, 1))


@dataclass(frozen=True)
class _Rows:
    """The rows in the means, with their sums, and with the entries of others grouped by row and scene."""

    own: Floats  # [N]
    mean: Floats  # [N], of each row's others
    scene_of: Ints  # [K], of each pair of a row and one of its scenes
    row_of: Ints  # [K]
    set_of: Ints  # [N], the set of scenes of a row
    single: NDArray[np.bool_]  # [C], whether a set has one scene only
    change_scene: Ints  # [G], of each group of entries: the scene that is left out,
    change: Floats  # [G], and the change of its row's mean; NaN where no other is left
    change_row: Ints  # [G]
    scenes: int
    units: int

    @staticmethod
    def of(values: OwnAndOthers, kept: Ints, design: Design, rows_of_sets: Sequence[Sequence[int]]) -> _Rows:
        """``design`` and ``rows_of_sets`` are those of the rows that are kept."""
        set_of = np.empty(len(kept), dtype=np.int64)
        for number, rows in enumerate(rows_of_sets):
            set_of[rows] = number
        scenes = [design.cells[number] for number in set_of.tolist()]
        names = sorted({*design.names, *values.names})
        position = {name: i for i, name in enumerate(names)}
        row_of = np.array([i for i, members in enumerate(scenes) for _ in members], dtype=np.int64)
        scene_of = np.array([position[name] for members in scenes for name in members], dtype=np.int64)
        renumbered = np.array([position[name] for name in values.names], dtype=np.int64)
        mean, change_row, change_scene, change = _changes(
            values.others[kept], renumbered[values.other_scenes[kept]], len(names)
        )
        with_own = np.isin(change_row * len(names) + change_scene, row_of * len(names) + scene_of)
        return _Rows(
            own=values.own[kept],
            mean=mean,
            scene_of=scene_of,
            row_of=row_of,
            set_of=set_of,
            single=np.array([len(members) == 1 for members in design.cells], dtype=bool),
            change_scene=change_scene[~with_own],  # where the row itself goes, its mean does not matter
            change=change[~with_own],
            change_row=change_row[~with_own],
            scenes=len(names),
            units=min(len(design.names), len(design.cells)),
        )

    def whole(self) -> Floats:
        return np.array([self.own.mean(), self.mean.mean()]) if len(self.own) else _NAN

    def without_scenes(self) -> Floats:
        """Means without each scene, as rows and as others."""
        lost = np.isnan(self.change)
        rows = np.concatenate([self.row_of, self.change_row[lost]])
        scenes = np.concatenate([self.scene_of, self.change_scene[lost]])
        change = np.bincount(self.change_scene, np.where(lost, 0.0, self.change), self.scenes).astype(np.float64)
        return self._means_without(rows, scenes, self.scenes, change)

    def without_sets(self) -> Floats:
        """Means without the rows of each set of two or more scenes."""
        rows = np.arange(len(self.own), dtype=np.int64)
        means = self._means_without(rows, self.set_of, len(self.single))
        return means[:, ~self.single]

    def _means_without(self, rows: Ints, group: Ints, groups: int, change: Floats | float = 0.0) -> Floats:
        left = len(self.own) - np.bincount(group, minlength=groups)
        own = self.own.sum() - np.bincount(group, self.own[rows], groups)
        mean = self.mean.sum() - np.bincount(group, self.mean[rows], groups) + change
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack([own / left, mean / left])


def _changes(others: Floats, scenes: Ints, count: int) -> tuple[Floats, Ints, Ints, Floats]:
    """Return the mean of each row, and for each row and scene among its others how that mean changes without it."""
    row, column = np.nonzero(~np.isnan(others))
    values = others[row, column]
    total = np.bincount(row, values, len(others))
    number = np.bincount(row, minlength=len(others))
    groups, inverse = np.unique(row * count + scenes[row, column], return_inverse=True)
    group_row, group_scene = np.divmod(groups, count)
    left = number[group_row] - np.bincount(inverse)
    mean = total / np.maximum(number, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        without = (total[group_row] - np.bincount(inverse, values)) / left
    return mean, group_row, group_scene, np.where(left > 0, without - mean[group_row], np.nan)
