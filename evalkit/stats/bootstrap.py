"""Means with bootstrap intervals that resample scenes, not rows.

Rows of one scene are alike. To count them as independent would make intervals too narrow. A row may also belong to
several scenes (a pose is carried from A to B). Then there are two ways to resample:

* Rows fall into groups that share no scene, such as disjoint pairs: groups are drawn (ordinary cluster bootstrap).
* There are fewer than `MIN_GROUPS` groups, or effectively fewer because one holds most rows: scenes are drawn, and
  a row's weight is the product of the counts of its scenes (pigeonhole bootstrap; Owen, Annals of Applied Statistics
  2007). Its intervals are never too narrow, and may be too wide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from evalkit.stats.interval import Floats
from evalkit.stats.interval import Interval as Interval

MIN_GROUPS = 5  # with fewer, groups are too few to draw from, and their scenes are drawn instead
_BLOCK = 250  # draws in memory at once


def mean_interval(
    values: Floats, scenes: Sequence[tuple[str, ...]], *, seed: int = 0, draws: int = 2000, level: float = 0.95
) -> tuple[Interval, ...]:
    """Return the mean and percentile interval of each column of ``values``.

    The order of rows does not change the last bit. Infinite values give infinite means.

    Args:
        values: [N, M]. NaN means absent: a column is computed from its other rows alone.
        scenes: of each row, all scenes that it belongs to.
        seed: seed of the resampling.
        draws: number of resampled means.
        level: coverage of the interval.

    Returns:
        M intervals. ``low`` and ``high`` are NaN where fewer than two scenes are left: the spread between scenes is
        then unknown. The mean is NaN too where no row is left.

    Raises:
        ValueError: for shapes that do not fit, and for a row without a scene.

    >>> mean_interval(np.array([[1.0], [3.0]]), [("a",), ("b",)])
    (Interval(mean=2.0, low=1.0, high=3.0, n=2, scenes=2),)
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or len(values) != len(scenes):
        raise ValueError(f"values must be [N, M] with N = {len(scenes)} rows of scenes, got {list(values.shape)}")
    by_column: dict[int, Interval] = {}
    present, pattern = np.unique(~np.isnan(values), axis=1, return_inverse=True)
    for k in range(present.shape[1]):
        columns = np.flatnonzero(pattern.reshape(-1) == k)
        kept = np.flatnonzero(present[:, k])
        cells = _Cells.of(values[np.ix_(kept, columns)], [scenes[i] for i in kept.tolist()])
        by_column |= zip(columns.tolist(), _intervals(cells, seed, draws, level), strict=True)
    return tuple(by_column[column] for column in range(values.shape[1]))


def bootstrap_means(values: Floats, scenes: Sequence[tuple[str, ...]], *, seed: int = 0, draws: int = 2000) -> Floats:
    """Return the resampled means [draws, M] of values [N, M] without NaN; otherwise as `mean_interval`.

    With crossed scenes a draw may contain no row: its mean is NaN and must be left out.
    """
    return _resample(_Cells.of(np.asarray(values, dtype=np.float64), scenes), seed, draws)


@dataclass(frozen=True)
class _Cells:
    """Rows added up by their set of scenes (a cell), so that the order of rows cannot change any rounding.

    Args:
        sums: of the finite values in a cell [C, M].
        infinite: how many values are +inf and -inf [2, C, M].
        rows: number of rows in a cell [C].
        members: indices into ``names`` of the scenes of a cell [C, K], padded with ``len(names)``.
        names: names of all scenes.
    """

    sums: Floats
    infinite: Floats
    rows: Floats
    members: NDArray[np.int64]
    names: list[str]

    @staticmethod
    def of(values: Floats, scenes: Sequence[tuple[str, ...]]) -> _Cells:
        if any(isinstance(row, str) or not row for row in scenes):
            raise ValueError("every row needs a tuple of at least one scene name")
        groups: dict[tuple[str, ...], list[int]] = {}
        for row, units in enumerate(_resampled_units(scenes)):
            groups.setdefault(tuple(sorted(set(units))), []).append(row)
        cells = [groups[key] for key in sorted(groups)]
        names = sorted({name for key in groups for name in key})
        position = {name: i for i, name in enumerate(names)}
        widest, columns = max(map(len, groups), default=0), values.shape[1]
        members = [[position[n] for n in key] + [len(names)] * (widest - len(key)) for key in sorted(groups)]
        finite = np.where(np.isfinite(values), values, 0.0)
        sums = [[math.fsum(column) for column in finite[rows].T] for rows in cells]
        infinite = [[(values[rows] == sign).sum(axis=0) for rows in cells] for sign in (np.inf, -np.inf)]
        return _Cells(
            sums=np.array(sums, dtype=np.float64).reshape(len(cells), columns),
            infinite=np.array(infinite, dtype=np.float64).reshape(2, len(cells), columns),
            rows=np.array([len(rows) for rows in cells], dtype=np.float64),
            members=np.array(members, dtype=np.int64).reshape(len(cells), widest),
            names=names,
        )

    def means(self, weights: Floats) -> Floats:
        """Return the weighted means [D, M] for weights of cells [D, C]; NaN where no row has weight."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = (weights @ self.sums) / (weights @ self.rows)[:, None]
            for sign, counts in zip((np.inf, -np.inf), self.infinite, strict=True):
                if counts.any():
                    means = means + np.where(weights @ counts > 0, sign, 0.0)
        return means


def _resampled_units(scenes: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return what is drawn for each row: its group, named by its first scene, or its scenes if groups are too few."""
    names = sorted({name for row in scenes for name in row})
    position = {name: i for i, name in enumerate(names)}
    links = [(position[row[0]], position[name]) for row in scenes for name in row]
    starts, ends = zip(*links, strict=True) if links else ((), ())
    graph = coo_array((np.ones(len(links)), (starts, ends)), shape=(len(names), len(names)))
    _, group = connected_components(graph, directed=False)
    labels = [int(group[position[row[0]]]) for row in scenes]
    if not labels or _effective_number(labels) < MIN_GROUPS:
        return [tuple(row) for row in scenes]
    first = {int(label): name for name, label in zip(reversed(names), reversed(group), strict=True)}
    return [(first[label],) for label in labels]


def _effective_number(groups: Sequence[int]) -> float:
    """Return the effective number of groups, (sum n)^2 / sum n^2 of their sizes n, given the group of each row."""
    sizes = np.unique(np.asarray(groups), return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def _intervals(cells: _Cells, seed: int, draws: int, level: float) -> list[Interval]:
    n, scenes, columns = int(cells.rows.sum()), len(cells.names), cells.sums.shape[1]
    if n == 0:
        return [Interval(math.nan, math.nan, math.nan, 0, 0)] * columns
    means = _exact_means(cells, n)
    if scenes < 2:
        return [Interval(mean, math.nan, math.nan, n, scenes) for mean in means]
    resampled = np.sort(_resample(cells, seed, draws), axis=0)  # NaN last
    valid = (~np.isnan(resampled)).sum(axis=0)
    # order statistics, widened to whole ranks: interpolating between infinite means would give NaN
    tail = (1 - level) / 2 * (valid - 1)
    low_rank, high_rank = np.floor(tail).astype(int), np.ceil(valid - 1 - tail).astype(int)
    column = np.arange(columns)
    lows, highs = resampled[low_rank.clip(0), column].tolist(), resampled[high_rank.clip(0), column].tolist()
    return [Interval(mean, low, high, n, scenes) for mean, low, high in zip(means, lows, highs, strict=True)]


def _exact_means(cells: _Cells, n: int) -> list[float]:
    has_plus, has_minus = (counts.sum(axis=0) > 0 for counts in cells.infinite)
    with np.errstate(invalid="ignore"):
        infinite = np.where(has_plus, np.inf, 0.0) + np.where(has_minus, -np.inf, 0.0)
    return [math.fsum(column) / n + extra for column, extra in zip(cells.sums.T, infinite.tolist(), strict=True)]


def _resample(cells: _Cells, seed: int, draws: int) -> Floats:
    """Return means [draws, M] over scenes drawn with replacement."""
    rng, count = np.random.default_rng(seed), len(cells.names)
    blocks = []
    for start in range(0, draws, _BLOCK):
        size = min(_BLOCK, draws - start)
        drawn = rng.integers(count, size=(size, count)) + np.arange(size)[:, None] * count
        counts = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        padded = np.concatenate([counts, np.ones((size, 1), dtype=counts.dtype)], axis=1)
        blocks.append(cells.means(padded[:, cells.members].prod(axis=-1).astype(np.float64)))
    return np.concatenate(blocks)
