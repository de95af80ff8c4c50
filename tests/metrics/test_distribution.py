"""Distances of distributions: closed forms, clean-fid, and numbers that do not depend on how work was split."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evalkit.metrics.distribution import (
    Gaussian,
    draw_subsets,
    frechet_distance,
    frechet_from_features,
    kernel_distance,
    mean_mmd2,
    mmd2,
)

seeds = st.integers(0, 2**32 - 1)


def features(count: int, dimension: int, seed: int, shift: float = 0.0) -> Tensor:
    """Like those of a network: positive, with a spectrum that falls off."""
    rng = torch.Generator().manual_seed(seed)
    scale = torch.arange(1, dimension + 1, dtype=torch.float64) ** -0.35
    mixing = torch.linalg.qr(torch.randn(dimension, dimension, generator=rng, dtype=torch.float64)).Q
    noise = torch.randn(count, dimension, generator=rng, dtype=torch.float64) * scale * (1 + shift)
    return (noise @ mixing).abs() + shift


def covariance(rng: torch.Generator, dimension: int, rank: int) -> Tensor:
    factor = torch.randn(dimension, rank, generator=rng, dtype=torch.float64)
    return factor @ factor.mT / rank


def clean_fid(a: Tensor, b: Tensor) -> float:
    fid = pytest.importorskip("cleanfid.fid")
    statistics = [x for f in (a.numpy(), b.numpy()) for x in (f.mean(0), np.cov(f, rowvar=False))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of sqrtm's disp
        return float(fid.frechet_distance(*statistics))


def test_equal_gaussians_have_no_distance() -> None:
    for rank in (3, 64, 200):
        cov = covariance(torch.Generator().manual_seed(rank), 64, rank)
        mean = torch.ones(64)
        assert frechet_distance(mean, cov, mean, cov).item() < 1e-9


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 40), st.integers(1, 60))
def test_a_shift_alone_costs_its_squared_length(seed: int, dimension: int, rank: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    cov = covariance(rng, dimension, rank)
    mean, shift = torch.randn(2, dimension, generator=rng, dtype=torch.float64)
    distance = frechet_distance(mean, cov, mean + shift, cov)
    torch.testing.assert_close(distance, shift.square().sum(), rtol=1e-7, atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 40))
def test_commuting_covariances_differ_by_their_standard_deviations(seed: int, dimension: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    axes = torch.linalg.qr(torch.randn(dimension, dimension, generator=rng, dtype=torch.float64)).Q
    a, b = torch.rand(2, dimension, generator=rng, dtype=torch.float64)
    b[: dimension // 3] = 0  # directions that one of them does not have
    zero = torch.zeros(dimension)
    distance = frechet_distance(zero, axes * a.square() @ axes.mT, zero, axes * b.square() @ axes.mT)
    torch.testing.assert_close(distance, (a - b).square().sum(), rtol=1e-6, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(2, 40), st.integers(1, 60), st.integers(1, 60))
def test_the_distance_is_symmetric(seed: int, dimension: int, rank_a: int, rank_b: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    a, b = (covariance(rng, dimension, rank) for rank in (rank_a, rank_b))
    mean_a, mean_b = torch.randn(2, dimension, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(
        frechet_distance(mean_a, a, mean_b, b), frechet_distance(mean_b, b, mean_a, a), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize(
    ("count_a", "count_b"), [(400, 500), (400, 60), (60, 400), (50, 60), (2, 300)], ids=lambda count: str(count)
)
def test_frechet_distance_equals_clean_fid_with_singular_covariances_too(count_a: int, count_b: int) -> None:
    a, b = features(count_a, 128, 0), features(count_b, 128, 1, shift=0.1)
    expected = clean_fid(a, b)
    x, y = Gaussian.of(a), Gaussian.of(b)
    assert frechet_distance(x.mean, x.cov, y.mean, y.cov).item() == pytest.approx(expected, rel=1e-5)
    assert frechet_from_features(a, b).item() == pytest.approx(expected, rel=1e-5)


def test_at_2048_dimensions_few_features_give_clean_fids_number() -> None:
    # clean-fid 0.1.35 with SciPy 1.17.1 on these features, which takes it a minute
    rng = torch.Generator().manual_seed(0)
    a, b = (torch.randn(n, 2048, generator=rng, dtype=torch.float64).abs() * (n / 150) for n in (150, 200))
    assert frechet_from_features(a, b).item() == pytest.approx(1744.22537, rel=1e-6)


def test_the_distance_of_two_halves_of_one_distribution_falls_as_one_over_n() -> None:
    floors = [frechet_from_features(features(2 * n, 16, 3)[:n], features(2 * n, 16, 3)[n:]) for n in (250, 1000, 4000)]
    assert floors[0] / floors[1] == pytest.approx(4, rel=0.5)
    assert floors[1] / floors[2] == pytest.approx(4, rel=0.5)


@settings(max_examples=20, deadline=None)
@given(seeds, st.lists(st.integers(1, 40), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_streams_in_any_order_give_the_statistics_of_all(seed: int, sizes: list[int], order: object) -> None:
    everything = features(sum(sizes) + 1, 24, seed, shift=30.0)  # a mean far from 0, where sums of squares cancel
    parts = [Gaussian.of(part) for part in everything.split([*sizes, 1])]
    order.shuffle(parts)  # type: ignore[attr-defined]
    merged = Gaussian.empty(24)
    for part in parts:
        merged = merged.merge(part)
    assert merged.count == len(everything)
    np.testing.assert_allclose(merged.mean, everything.mean(0), rtol=1e-10)
    expected = np.cov(everything.numpy(), rowvar=False)
    assert np.abs(merged.cov.numpy() - expected).max() < 1e-10 * np.abs(expected).max()


def test_statistics_of_a_stream_give_the_distance_of_the_features() -> None:
    a, b = features(300, 32, 0), features(200, 32, 1, shift=0.2)
    x = Gaussian.of(a[:7]).merge(Gaussian.of(a[7:]))
    y = Gaussian.of(b[:199]).merge(Gaussian.of(b[199:]))
    streamed = frechet_distance(x.mean, x.cov, y.mean, y.cov)
    torch.testing.assert_close(streamed, frechet_from_features(a, b), rtol=1e-9, atol=0)


@pytest.mark.parametrize(("count_a", "count_b"), [(120, 90), (30, 300)])
def test_kernel_distance_equals_clean_fid_on_the_same_subsets(count_a: int, count_b: int) -> None:
    fid = pytest.importorskip("cleanfid.fid")
    a, b = features(count_a, 64, 0), features(count_b, 64, 1, shift=0.1)
    size = min(count_a, count_b, 50)
    np.random.seed(5)  # noqa: NPY002 - clean-fid draws from the global state, b before a
    drawn = [[np.random.choice(count, size, replace=False) for count in (count_b, count_a)] for _ in range(10)]  # noqa: NPY002
    rows_b, rows_a = (torch.from_numpy(np.stack(rows)) for rows in zip(*drawn, strict=True))
    np.random.seed(5)  # noqa: NPY002
    expected = fid.kernel_distance(a.numpy(), b.numpy(), num_subsets=10, max_subset_size=50)
    assert mean_mmd2(a, b, rows_a, rows_b).item() == pytest.approx(expected, rel=1e-10)


def test_mmd_equals_its_definition() -> None:
    a, b = features(6, 5, 0), features(7, 5, 1)

    def kernel(x: Tensor, y: Tensor) -> float:
        return (float(x @ y) / 5 + 1) ** 3

    def within(x: Tensor) -> float:
        pairs = [(i, j) for i in range(len(x)) for j in range(len(x)) if i != j]
        return sum(kernel(x[i], x[j]) for i, j in pairs) / len(pairs)

    between = sum(kernel(x, y) for x in a for y in b) / 42
    assert mmd2(a, b).item() == pytest.approx(within(a) + within(b) - 2 * between, rel=1e-12)


def test_kernel_distance_of_equal_distributions_is_0_on_average() -> None:
    halves = [features(80, 16, seed).split(40) for seed in range(300)]
    values = [mmd2(a, b).item() for a, b in halves]
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(300)
    assert min(values) < 0 < max(values)
    assert min(frechet_from_features(a, b).item() for a, b in halves) > 0.3  # which FID is far from


def test_all_features_as_the_only_subset_are_the_plain_mmd() -> None:
    a, b = features(40, 16, 0), features(40, 16, 1)
    torch.testing.assert_close(kernel_distance(a, b, subsets=3), mmd2(a, b), rtol=1e-12, atol=0)


def test_subsets_depend_on_their_seed_alone() -> None:
    a, b = draw_subsets((50, 40), 6, 30, seed=1)
    assert a.shape == b.shape == (6, 30)
    assert all(len(set(rows)) == 30 for rows in [*a.tolist(), *b.tolist()])
    assert torch.equal(a, draw_subsets((50, 40), 6, 30, seed=1)[0])
    assert not torch.equal(a, draw_subsets((50, 40), 6, 30, seed=2)[0])


@pytest.mark.parametrize("distance", [frechet_from_features, kernel_distance, mmd2])
def test_single_precision_features_are_measured_in_double(distance) -> None:
    a, b = features(60, 16, 0).float(), features(50, 16, 1).float()
    assert distance(a, b).dtype == torch.float64
    assert distance(a, b) == distance(a.double(), b.double())


@pytest.mark.parametrize("distance", [frechet_from_features, kernel_distance, mmd2])
def test_what_has_no_distance_is_refused(distance) -> None:
    a = features(5, 4, 0)
    with pytest.raises(ValueError, match="at least 2 features"):
        distance(a, a[:1])
    with pytest.raises(ValueError, match="one dimension"):
        distance(a, a[:, :3])
    with pytest.raises(ValueError, match="NaN or infinity"):
        distance(a, torch.full((5, 4), torch.nan))
    with pytest.raises(ValueError, match=r"\[N, D\]"):
        distance(a, a[0])
