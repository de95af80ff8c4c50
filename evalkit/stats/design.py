"""Which rows share a scene, and what that means for the variance of their mean.

Rows that touch the same set of scenes form a cell. With residuals r of all rows, summed over cells to R_c, and over the
cells of a scene to T_s, the variance of the mean sums the products of residuals of all pairs of rows that share any
scene (dyadic-robust: Aronow, Samii and Assenova, Political Analysis 2015; Cameron and Miller 2014):

    V = k / N^2 (sum_s T_s^2 - R' E R),    k = 1 / (1 - P / N^2),

where E counts how often a pair of cells is in sum_s T_s^2 beyond once (a row of two scenes is in it twice), and P is
the number of ordered pairs of rows that share a scene. k makes V unbiased for independent rows of one variance: it is
N / (N - 1) for rows of one scene each, G / (G - 1) for G clusters of one size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.sparse import csr_array, eye_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import t as student

from evalkit.stats.interval import Floats, column_sums

SceneSet = tuple[str, ...]
_MOST_SHARED = 0.8  # of the pairs of rows: above, residuals say nothing about what all rows have in common
_FLOOR = 0.25  # V is at least this part of the variance of independent rows: in small cycles it can be negative
_MANY = 12.0  # degrees of freedom above which Student's t needs no calibration by draws
_DRAWS, _NUMBERS = 4000, 4_000_000  # of a calibration: means drawn, and random numbers at most


@dataclass(frozen=True)
class Design:
    """Rows as cells (sets of scenes) with their sizes, sorted by name, so that the order of rows plays no part.

    Args:
        cells: the scenes of each cell, sorted.
        sizes: number of rows of each cell.
    """

    cells: tuple[SceneSet, ...]
    sizes: tuple[int, ...]

    @staticmethod
    def of(scenes: Sequence[SceneSet]) -> tuple[Design, list[list[int]]]:
        """Return the design of rows, and the row numbers of each cell. Raises ValueError for a row without a scene."""
        if any(isinstance(row, str) or not row for row in scenes):
            raise ValueError("every row needs a tuple of at least one scene name")
        rows: dict[SceneSet, list[int]] = {}
        for number, names in enumerate(scenes):
            rows.setdefault(tuple(sorted(set(names))), []).append(number)
        cells = tuple(sorted(rows))
        members = [rows[cell] for cell in cells]
        return Design(cells, tuple(map(len, members))), members

    @cached_property
    def names(self) -> list[str]:
        """Names of all scenes, sorted."""
        return sorted({name for cell in self.cells for name in cell})

    @cached_property
    def rows(self) -> int:
        """Number of rows, N."""
        return sum(self.sizes)

    @cached_property
    def counts(self) -> Floats:
        """Sizes as numbers [C]."""
        return np.array(self.sizes, dtype=np.float64)

    @cached_property
    def incidence(self) -> csr_array:
        """1 where a cell touches a scene [C, S]."""
        position = {name: i for i, name in enumerate(self.names)}
        columns = [position[name] for cell in self.cells for name in cell]
        starts = np.cumsum([0, *map(len, self.cells)])
        return csr_array((np.ones(len(columns)), columns, starts), shape=(len(self.cells), len(self.names)))

    @cached_property
    def scenes_of_cells(self) -> Floats:
        """Number of scenes of each cell [C]."""
        return np.array([len(cell) for cell in self.cells], dtype=np.float64)

    @cached_property
    def is_crossed(self) -> bool:
        """Whether two different cells share a scene."""
        return int(self.scenes_of_cells.sum()) > len(self.names)

    @cached_property
    def components(self) -> list[int]:
        """Label of each cell's group: cells that are connected through scenes."""
        if not self.is_crossed:
            return list(range(len(self.cells)))
        _, labels = connected_components(self._shared, directed=False)
        return [int(label) for label in labels]

    @cached_property
    def group_sizes(self) -> Floats:
        """Number of rows of each group of connected cells."""
        return np.bincount(self.components, weights=self.counts).astype(np.float64)

    @cached_property
    def units(self) -> float:
        """Effective number of independent rows: N sum_s d_s / sum_s d_s^2, with d_s rows that touch scene s.

        N for rows of one scene each and for pairs that share none, (sum n)^2 / sum n^2 for clusters, half the number of
        scenes for laps of a cycle.
        """
        degrees = self.incidence.T @ self.counts
        return float(self.rows * degrees.sum() / (degrees**2).sum())

    @cached_property
    def _counted(self) -> csr_array:
        """How many scenes two cells share [C, C]."""
        return csr_array(self.incidence @ self.incidence.T)

    @cached_property
    def _shared(self) -> csr_array:
        """1 where two cells share a scene [C, C]."""
        return csr_array((self._counted > 0).astype(np.float64))

    @cached_property
    def _excess(self) -> csr_array:
        """E: how often a pair of cells that share scenes is counted beyond once [C, C]."""
        if max(map(len, self.cells)) <= 2:  # two different pairs of scenes share at most one
            diagonal: csr_array = csr_array(eye_array(len(self.cells)).multiply(self.scenes_of_cells - 1))
            return diagonal
        return csr_array(self._counted - self._shared)

    @cached_property
    def shared_part(self) -> float:
        """P / N^2, the part of all ordered pairs of rows that share a scene."""
        if not self.is_crossed:
            return float((self.counts**2).sum()) / self.rows**2
        return float(self.counts @ (self._shared @ self.counts)) / self.rows**2

    def variance(self, sums: Floats, squares: Floats) -> Floats:
        """Return V [K] of residuals summed over cells [C, K], with the sum of their squares over rows [K]."""
        scene_sums = self.incidence.T @ sums
        products = column_sums(scene_sums**2)
        if self.is_crossed or max(map(len, self.cells)) > 1:
            products = products - column_sums(sums * (self._excess @ sums))
        variance: Floats = products / (1 - self.shared_part) / self.rows**2
        if not self.is_crossed:
            return variance
        return np.maximum(variance, _FLOOR * squares / (self.rows * (self.rows - 1)))

    def third_cumulant(self, sums: Floats) -> Floats:
        """Return the sum of r_i r_j r_k over rows that share a scene, over N^3 [K]: of each scene, each row once."""
        counted_twice = column_sums((self.scenes_of_cells - 1)[:, None] * sums**3)
        cubes = column_sums((self.incidence.T @ sums) ** 3) - counted_twice
        cumulant: Floats = cubes / self.rows**3
        return cumulant

    @cached_property
    def degrees_of_freedom(self) -> tuple[float, float]:
        """Degrees of freedom of V for an interval and for a test; NaN where V says nothing.

        They differ for small crossed designs, see `_calibrated`.
        """
        if self.rows < 2 or self.shared_part > _MOST_SHARED or len(self.cells) < 2:
            return np.nan, np.nan
        if not self.is_crossed:
            known = self._of_clusters()
            return known, known
        known = self._of_independent_rows()
        return (known, known) if known >= _MANY else _calibrated(self)

    def _of_clusters(self) -> float:
        """Satterthwaite's degrees of freedom of sum_c R_c^2 where rows of a cluster are equal; G - 1 for one size.

        R = (I - h 1') T with h = n / N and var T_c = d_c = n_c^2 gives Q_ab = [a = b] - h_a - h_b + q, q = sum h^2, and
        (sum_a d_a Q_aa)^2 / sum_ab d_a d_b Q_ab^2 (Bell and McCaffrey 2002).
        """
        d, h = self.counts**2, self.counts / self.rows
        q, s0, s1, s2 = (h**2).sum(), d.sum(), (d * h).sum(), (d * h**2).sum()
        corner = q - 2 * h
        products = q**2 * s0**2 - 4 * q * s0 * s1 + 2 * s0 * s2 + 2 * s1**2 + (d**2 * (1 + 2 * corner)).sum()
        return float((d * (1 + corner)).sum() ** 2 / products)

    def _of_independent_rows(self) -> float:
        """Satterthwaite's degrees of freedom of V for independent rows: tr(MA)^2 / tr((MA)^2), M = I - 11'/N.

        A_ij = 1 where rows share a scene; P = 1'A1 and p = A1 give (N - P/N)^2 / (P - 2 sum p^2 / N + P^2 / N^2).
        """
        shares = self._shared @ self.counts
        pairs, n = float(self.counts @ shares), self.rows
        return float((n - pairs / n) ** 2 / (pairs - 2 * (self.counts @ shares**2) / n + pairs**2 / n**2))


@lru_cache(maxsize=256)
def _calibrated(design: Design) -> tuple[float, float]:
    """Return degrees of freedom by drawing normal rows of this very design.

    V of small crossed designs is far from a multiple of chi^2. The 95 % quantile of |mean| / sqrt(V) is therefore drawn
    (4,000 times, seeded) for three models: independent rows, rows that are sums of their scenes' effects, and an equal
    mixture. Student's t with the returned degrees of freedom has the lowest of the three for an interval, whose long
    side makes up for it, and the highest for a test.
    """
    draws = int(np.clip(_NUMBERS // max(len(design.cells), 1), 1000, _DRAWS))
    rng = np.random.default_rng(0)
    of_rows = rng.standard_normal((len(design.cells), draws)) * np.sqrt(design.counts)[:, None]
    inside = rng.chisquare(design.rows - len(design.cells), draws) if design.rows > len(design.cells) else 0.0
    effects = design.incidence @ rng.standard_normal((len(design.names), draws))
    quantiles = []
    for row_part, scene_part in ((1.0, 0.0), (1.0, 0.5), (0.0, 1.0)):
        sums = row_part * of_rows + np.sqrt(scene_part) * design.counts[:, None] * effects
        mean = sums.sum(axis=0) / design.rows
        residuals = sums - design.counts[:, None] * mean
        squares = row_part * inside + (residuals**2 / design.counts[:, None]).sum(axis=0)
        quantiles.append(float(np.quantile(np.abs(mean) / np.sqrt(design.variance(residuals, squares)), 0.95)))
    return _with_quantile(min(quantiles)), _with_quantile(max(quantiles))


def _with_quantile(value: float) -> float:
    """Return the degrees of freedom of Student's t whose 97.5 % quantile is ``value``; NaN below one."""
    few, many = 1.0, 1e4
    if value > student.ppf(0.975, few):
        return np.nan
    if value <= student.ppf(0.975, many):
        return many
    return float(brentq(lambda degrees: student.ppf(0.975, degrees) - value, few, many))
