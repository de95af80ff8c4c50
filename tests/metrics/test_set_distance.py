"""Distances of sets that belong to samples: clean-fid's numbers, and what each sample has to do with them."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from evalkit.metrics import set_distance
from evalkit.metrics.distribution import frechet_from_features
from evalkit.metrics.set_distance import Distance, frechet, kernel
from evalkit.stats import mean_interval

Features = tuple[Tensor, Tensor]


def drawn(rng: torch.Generator, scenes: int, dimension: int, shift: float = 0.0, rank: int | None = None) -> Features:
    """Two sets [scenes, 3, dimension] that share most of their noise with their scene, the first one shifted."""
    spectrum = torch.arange(1, dimension + 1, dtype=torch.float64) ** -0.5
    spectrum[rank or dimension :] = 0
    shared = torch.randn(scenes, 1, dimension, generator=rng, dtype=torch.float64)
    own = torch.randn(2, scenes, 3, dimension, generator=rng, dtype=torch.float64)
    a, b = (0.8 * shared + 0.6 * own) * spectrum
    return a * (1 + shift) + 0.5 * shift, b


def samples(features: Features) -> list[Features]:
    return list(zip(*features, strict=True))


def flat(features: Features) -> Features:
    return features[0].flatten(0, 1), features[1].flatten(0, 1)


def clean_frechet(features: Features) -> float:
    fid = pytest.importorskip("cleanfid.fid")
    statistics = [x for f in flat(features) for x in (f.numpy().mean(0), np.cov(f.numpy(), rowvar=False))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of sqrtm's disp
        return float(fid.frechet_distance(*statistics))


def weighted_frechet(features: Features, weights: Tensor) -> float:
    """The definition, of moments in which a sample counts as often as it weighs; without any shortcut."""
    moments = []
    for part in features:
        weight = weights.repeat_interleave(part.shape[1]) / (weights.sum() * part.shape[1])
        count = part.shape[0] * part.shape[1]
        mean = weight @ part.flatten(0, 1)
        x = part.flatten(0, 1) - mean
        moments.append((mean, (weight[:, None] * x).mT @ x * (count / (count - 1))))
    (mean_a, cov_a), (mean_b, cov_b) = moments
    trace = torch.linalg.eigvals(cov_a @ cov_b).real.clamp_min(0).sqrt().sum()
    return float((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * trace)


def weighted_kernel(features: Features, weights: Tensor) -> float:
    """The unbiased MMD of images that count as often as they weigh, none compared with itself."""
    a, b = flat(features)
    wa, wb = (weights.repeat_interleave(part.shape[1]) for part in features)

    def mean(x: Tensor, y: Tensor, pairs: Tensor) -> Tensor:
        return ((x @ y.mT / x.shape[1] + 1) ** 3 * pairs).sum() / pairs.sum()

    within = sum(mean(x, x, torch.outer(w, w) * (1 - torch.eye(len(w)))) for x, w in ((a, wa), (b, wb)))
    return float(within - 2 * mean(a, b, torch.outer(wa, wb)))


@pytest.mark.parametrize("scenes", [10, 60], ids=["fewer than dimensions", "more"])
def test_distances_are_clean_fids(scenes: int) -> None:
    features = drawn(torch.Generator().manual_seed(0), scenes, 64, shift=0.2)
    fid = pytest.importorskip("cleanfid.fid")
    assert frechet(samples(features)).value == pytest.approx(clean_frechet(features), rel=1e-5)
    a, b = (part.numpy() for part in flat(features))
    expected = fid.kernel_distance(a, b, num_subsets=1, max_subset_size=1000)  # one subset, of everything
    assert kernel(samples(features), subsets=100, subset_size=1000).value == pytest.approx(expected, rel=1e-9)


def test_smaller_subsets_are_drawn_as_clean_fid_draws_them() -> None:
    a, b = features = drawn(torch.Generator().manual_seed(0), 40, 16, shift=0.5)
    fid = pytest.importorskip("cleanfid.fid")
    expected = [fid.kernel_distance(*(p.numpy() for p in flat(features)), 200, 50) for _ in range(5)]  # global state
    distance = kernel(samples((a, b)), subsets=200, subset_size=50).value
    assert distance == pytest.approx(np.mean(expected), abs=5 * np.std(expected))


@pytest.mark.parametrize(("scenes", "rank"), [(10, None), (60, None), (60, 20), (8, 5)])
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_influence_is_the_change_with_a_samples_weight(scenes: int, rank: int | None, shift: float) -> None:
    features = drawn(torch.Generator().manual_seed(1), scenes, 40, shift, rank)
    rough = 5e-3 if scenes == 10 else 1e-6  # the definition's own rounding, with 29 of 40 eigenvalues
    measures: list[tuple[Distance, Callable[[Features, Tensor], float], float]] = [
        (kernel(samples(features), 1, 1000), weighted_kernel, 1e-6),
        (frechet(samples(features)), weighted_frechet, rough),
    ]
    for distance, weighted, tolerance in measures:
        assert abs(distance.influence.mean()) < 1e-12
        slopes = []
        for k in range(scenes):
            up, down = torch.ones(2, scenes, dtype=torch.float64)
            up[k], down[k] = 1.001, 0.999
            slopes.append((weighted(features, up) - weighted(features, down)) / 0.002 * scenes)
        expected = torch.tensor(slopes, dtype=torch.float64)
        error = (distance.influence - (expected - expected.mean())).abs().max()
        assert error < tolerance * distance.influence.abs().max()


@pytest.mark.parametrize("rank", [None, 20])
def test_moments_and_features_give_the_same(rank: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_distance, "_BLOCK", 7)
    given = samples(drawn(torch.Generator().manual_seed(2), 30, 40, 0.2, rank))
    (value, influence), (expected, other) = set_distance._of_moments(given), set_distance._of_features(given)
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(influence - influence.mean(), other - other.mean(), rtol=1e-5, atol=1e-6)


def test_memory_does_not_depend_on_how_many_samples_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_distance, "_BLOCK", 4)

    @dataclass
    class Reader:
        count: int
        alive: weakref.WeakSet[Tensor]
        most: int = 0

        def __len__(self) -> int:
            return self.count

        def __getitem__(self, index: int) -> Features:
            rng = torch.Generator().manual_seed(index)
            part = torch.randn(2, 3, 16, generator=rng)
            self.alive.add(part)
            self.most = max(self.most, len(self.alive))
            return part[0], part[1]

    readers = [Reader(count, weakref.WeakSet()) for count in (40, 200)]
    for reader in readers:
        frechet(reader)
    assert readers[0].most == readers[1].most <= 2 * 4 + 1


@pytest.mark.parametrize(("scenes", "dimension"), [(20, 100), (40, 16)], ids=["fewer than dimensions", "more"])
@pytest.mark.parametrize(("shift", "least", "most"), [(0.0, 0.95, 1.0), (0.4, 0.88, 0.99)])
def test_intervals_hold_what_new_scenes_give_on_average(
    scenes: int, dimension: int, shift: float, least: float, most: float
) -> None:
    """On the wide side where the sets do not differ: there, a sample has no influence but by chance."""
    rng, names = torch.Generator().manual_seed(3), [(f"s{k:02d}",) for k in range(scenes)]
    for measure in (frechet, lambda given: kernel(given, 1, 1000)):
        values, ends = [], []
        for _ in range(120):
            distance = measure(samples(drawn(rng, scenes, dimension, shift)))
            (interval,) = mean_interval((distance.value + distance.influence[:, None]).numpy(), names, bounded=False)
            assert interval.mean == pytest.approx(distance.value, abs=1e-9)
            values.append(distance.value)
            ends.append((interval.low, interval.high))
        low, high = np.array(ends).T
        assert least <= np.mean((low <= np.mean(values)) & (np.mean(values) <= high)) <= most


def test_resampling_frechet_distance_itself_would_mislead() -> None:
    rng, choice = torch.Generator().manual_seed(4), np.random.default_rng(0)
    a, b = drawn(rng, 20, 100)
    value = float(frechet_from_features(*flat((a, b))))
    rows = [choice.integers(20, size=20) for _ in range(100)]
    resampled = [float(frechet_from_features(*flat((a[k], b[k])))) for k in rows]
    new = [float(frechet_from_features(*flat(drawn(rng, 20, 100)))) for _ in range(100)]
    assert np.quantile(resampled, 0.05) > value  # biased
    assert np.std(resampled) > 2 * np.std(new)  # and too wide
    distance = frechet(samples((a, b)))
    means = [distance.influence[k].mean().item() for k in rows]
    assert 0.8 < np.std(means) / np.std(new) < 2
