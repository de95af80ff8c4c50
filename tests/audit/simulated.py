"""Rows whose mean is known: designs (which rows touch which scenes) times distributions, with seeds.

A value is F^-1(Phi(z)) with a standard normal z that is in part the effect of its scenes. So its distribution, and the
true mean, is the same in every design.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Scenes = list[tuple[str, ...]]


@dataclass(frozen=True)
class Distribution:
    """A distribution by its quantiles and its mean; ``kind`` says what is asked of its intervals."""

    kind: str  # "normal", "symmetric", "bounded", "skewed"
    quantiles: Callable[[Floats], Floats]
    mean: float


def _share(p: float) -> Distribution:
    return Distribution("bounded", lambda u: (u > 1 - p).astype(np.float64), p)


DISTRIBUTIONS = {
    "normal": Distribution("normal", stats.norm.ppf, 0.0),
    "t3": Distribution("symmetric", lambda u: stats.t.ppf(u, 3), 0.0),
    "lognormal": Distribution("skewed", lambda u: np.exp(stats.norm.ppf(u)), float(np.exp(0.5))),
    "80 % zeros": Distribution("bounded", lambda u: np.maximum(u - 0.8, 0) / 0.2, 0.1),
    "AUC .95": Distribution("bounded", lambda u: stats.beta.ppf(u, 9.5, 0.5), 0.95),
    "SSIM .6": Distribution("bounded", lambda u: stats.beta.ppf(u, 30, 20), 0.6),
    # above .95, but near 0 in 4 % of rows: few scenes show no such row
    "rare failures": Distribution(
        "bounded", lambda u: np.where(u < 0.04, u / 2, 0.95 + 0.05 * (u - 0.04) / 0.96), 0.04 * 0.01 + 0.96 * 0.975
    ),
    "share .5": _share(0.5),
    "share .1": _share(0.1),
    "share .02": _share(0.02),
}
CROSSED = (
    (10, 5),
    (16, 8),
    (24, 12),
    (48, 24),
    (64, 40),
    (64, 41),
    (64, 64),
    (8, 8),
    (12, 12),
    (24, 24),
    (8, 16),
    (12, 36),
)


def generator(*key: object) -> np.random.Generator:
    """A generator of its own for each cell, from its settings."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def cycle(count: int, rows: int) -> NDArray[np.int64]:
    """The first rows [N, 2] of laps A->B along random cycles through scenes: of each, every second step comes first."""
    laps = []
    for lap in range(-(-rows // count)):
        order = np.random.default_rng(lap).permutation(count)
        steps = np.stack([order, np.roll(order, -1)], axis=1)
        laps.append(np.concatenate([steps[::2], steps[1::2]]))
    return np.concatenate(laps)[:rows]


def names_of(pairs: NDArray[np.int64]) -> Scenes:
    """The scenes of rows [N, R], as `evalkit.stats` takes them."""
    return [tuple(f"scene{i:03d}" for i in row) for row in pairs.tolist()]


def cluster_sizes(kind: str, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of each of ``count`` scenes: 1 ("independent"), 4 ("equal"), 1 to 10 ("unequal") or geometric, mean 4."""
    if kind == "independent":
        return np.ones(count, dtype=np.int64)
    if kind == "equal":
        return np.full(count, 4)
    return rng.integers(1, 11, count) if kind == "unequal" else rng.geometric(0.25, count)


def clustered(sizes: NDArray[np.int64], draws: int, rng: np.random.Generator, shared: float = 0.5) -> Floats:
    """Standard normal rows [N, draws], of which ``shared`` of the variance is the scene's."""
    scene = np.repeat(rng.standard_normal((len(sizes), draws)), sizes, axis=0)
    return np.sqrt(shared) * scene + np.sqrt(1 - shared) * rng.standard_normal(scene.shape)


def crossed(pairs: NDArray[np.int64], model: str, draws: int, rng: np.random.Generator) -> Floats:
    """Standard normal rows [N, draws] of pairs: of "rows" alone, or half of "roles" or of "scenes".

    With "roles" a scene has one effect as A and another as B, with "scenes" the same.
    """
    count = int(pairs.max()) + 1
    own, first, second = (rng.standard_normal((n, draws)) for n in (len(pairs), count, count))
    effects = {"rows": 0 * own, "roles": first[pairs[:, 0]] + second[pairs[:, 1]], "scenes": first[pairs].sum(axis=1)}
    shared = 0.0 if model == "rows" else 0.5
    mixed: Floats = np.sqrt(shared / 2) * effects[model] + np.sqrt(1 - shared) * own
    return mixed


def informative(kind: str, count: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Rows [N] and cluster sizes, where the effect of a scene grows with its size: 1 of its two units of variance."""
    sizes = cluster_sizes(kind, count, rng)
    middle, spread = (5.5, np.sqrt(8.25)) if kind == "unequal" else (4.0, np.sqrt(12.0))
    effect = (sizes - middle) / spread + rng.standard_normal(count)
    return np.repeat(effect, sizes) + rng.standard_normal(int(sizes.sum())), sizes


def informative_mean(kind: str) -> float:
    """The mean over rows of `informative`: E[n effect] / E[n] = sd n / E n."""
    return float(np.sqrt(8.25) / 5.5) if kind == "unequal" else float(np.sqrt(12.0) / 4.0)


def single(sizes: NDArray[np.int64] | Sequence[int]) -> Scenes:
    """The scenes of clustered rows."""
    return names_of(np.repeat(np.arange(len(sizes)), sizes)[:, None])
