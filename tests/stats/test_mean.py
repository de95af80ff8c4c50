from __future__ import annotations

import math
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats import Interval, mean_interval
from evalkit.stats.design import Design
from tests.audit.simulated import DISTRIBUTIONS, cluster_sizes, clustered, crossed, cycle, generator, names_of, single


def covered(values: np.ndarray, scenes: list[tuple[str, ...]], mean: float) -> tuple[float, float]:
    """Coverage in percent and median width over the columns."""
    low, high = np.array([(one.low, one.high) for one in mean_interval(values, scenes)]).T
    return 100 * float(((low <= mean) & (mean <= high)).mean()), float(np.median(high - low))


@pytest.mark.parametrize("count", [8, 24])
@pytest.mark.parametrize("kind", ["independent", "equal", "unequal"])
def test_normal_rows_are_covered_as_often_as_the_interval_says(kind: str, count: int) -> None:
    rng = generator("test", kind, count)
    sizes = cluster_sizes(kind, count, rng)
    coverage, _ = covered(clustered(sizes, 1000, rng), single(sizes), 0.0)
    assert 92 <= coverage <= 98.3


@pytest.mark.parametrize("model", ["rows", "scenes"])
@pytest.mark.parametrize(("count", "rows"), [(16, 8), (24, 24), (64, 41), (64, 64)])
def test_pairs_along_a_cycle_are_covered_as_often_as_the_interval_says(model: str, count: int, rows: int) -> None:
    pairs = cycle(count, rows)
    coverage, _ = covered(crossed(pairs, model, 1000, generator("test", count, rows)), names_of(pairs), 0.0)
    assert 92.5 <= coverage <= 98


@pytest.mark.parametrize(("name", "least"), [("80 % zeros", 93), ("AUC .95", 93), ("share .1", 93), ("lognormal", 87)])
def test_bounded_and_skewed_rows_are_covered_with_eight_scenes(name: str, least: float) -> None:
    latent = generator("test", name).standard_normal((8, 1000))
    distribution = DISTRIBUTIONS[name]
    coverage, _ = covered(distribution.quantiles(stats.norm.cdf(latent)), single([1] * 8), distribution.mean)
    assert coverage >= least


@pytest.mark.parametrize("count", [12, 24, 48])
def test_rare_failures_that_no_row_may_show_are_covered(count: int) -> None:
    latent = generator("test", "rare", count).standard_normal((count, 1000))
    distribution = DISTRIBUTIONS["rare failures"]
    coverage, _ = covered(distribution.quantiles(stats.norm.cdf(latent)), single([1] * count), distribution.mean)
    assert coverage >= 95


def test_shares_have_clopper_and_pearsons_interval() -> None:
    values = np.array([[1.0]] * 5 + [[0.0]] * 15)
    (interval,) = mean_interval(values, single([1] * 20))
    few = stats.norm.ppf(0.975) ** 2 / stats.t.ppf(0.975, 19) ** 2 * 20  # rows, at the quantile of Student's t
    low, high = stats.beta.ppf([0.025, 0.975], [5 * few / 20, 5 * few / 20 + 1], [15 * few / 20 + 1, 15 * few / 20])
    np.testing.assert_allclose([interval.low, interval.high], [low, high], rtol=1e-2)


def test_more_pairs_of_a_cycle_give_narrower_intervals() -> None:
    pairs = cycle(64, 64)
    values = crossed(pairs, "scenes", 500, generator("width"))
    widths = [covered(values[:rows], names_of(pairs[:rows]), 0.0)[1] for rows in (24, 32, 40, 41, 48, 64)]
    assert widths == sorted(widths, reverse=True), widths


def test_independent_rows_have_students_interval_but_for_the_long_side() -> None:
    values = np.concatenate([[-3.0, -2.0, -1.0], [1.0, 2.0, 3.0]])  # symmetric: no long side
    (interval,) = mean_interval(values[:, None], single([1] * 6))
    expected = stats.ttest_1samp(values, 0.0).confidence_interval()
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))
    (skewed,) = mean_interval(np.append(values, 30.0)[:, None], single([1] * 7))
    plain = stats.ttest_1samp(np.append(values, 30.0), 0.0).confidence_interval()
    assert skewed.low == pytest.approx(plain.low) and skewed.high > plain.high


def test_the_variance_sums_products_of_rows_that_share_a_scene() -> None:
    rng = np.random.default_rng(0)
    scenes = [tuple(f"s{k}" for k in rng.choice(9, size=rng.integers(1, 4), replace=False)) for _ in range(40)]
    residuals = rng.standard_normal(40)
    residuals -= residuals.mean()
    shares = np.array([[bool(set(a) & set(b)) for b in scenes] for a in scenes])
    design, rows = Design.of(scenes)
    sums = np.array([[residuals[own].sum()] for own in rows])
    expected = residuals @ shares @ residuals / 40**2 / (1 - shares.mean())
    assert design.shared_part == pytest.approx(shares.mean())
    assert design.variance(sums, np.zeros(1))[0] == pytest.approx(max(expected, 0.0))


def test_degrees_of_freedom_are_those_of_the_quadratic_form() -> None:
    """Against Satterthwaite's formula with whole matrices."""
    sizes = np.array([1, 2, 3, 9, 4])
    cluster = np.repeat(np.arange(5), sizes)
    together = (cluster[:, None] == cluster).astype(float)
    centring = np.eye(19) - 1 / 19
    form = centring @ together @ centring @ together
    design, _ = Design.of(single(sizes))
    assert design.degrees_of_freedom[0] == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form))
    assert Design.of(single([3] * 7))[0].degrees_of_freedom[0] == pytest.approx(6)


def test_none_of_24_failures_is_an_exact_interval() -> None:
    (none,), (all_of_them,) = (mean_interval(np.full((24, 1), value), single([1] * 24)) for value in (0.0, 1.0))
    expected = stats.binomtest(0, 24).proportion_ci(method="exact")
    assert (none.low, none.high) == pytest.approx((0.0, expected.high))
    assert (all_of_them.low, all_of_them.high) == pytest.approx((1 - expected.high, 1.0))
    (clusters,) = mean_interval(np.zeros((24, 1)), single([3] * 8))
    assert clusters.high == pytest.approx(stats.binomtest(0, 8).proportion_ci(method="exact").high)


def test_decibels_are_not_taken_for_shares() -> None:
    values = np.random.default_rng(0).normal(20, 0.3, (24, 1))
    (decibels,) = mean_interval(values, single([1] * 24))
    (known,) = mean_interval(values, single([1] * 24), bounded=False)
    assert decibels == known and decibels.high - decibels.low < 0.4


def test_fewer_than_five_scenes_have_no_interval_nor_has_a_star() -> None:
    (four,) = mean_interval(np.arange(8.0)[:, None], single([2] * 4))
    assert (four.mean, four.n, four.scenes) == (3.5, 8, 4) and math.isnan(four.low) and math.isnan(four.high)
    (star,) = mean_interval(np.arange(9.0)[:, None], [("hub", f"s{k}") for k in range(9)])
    assert star.mean == 4.0 and math.isnan(star.low)


def test_disjoint_pairs_are_as_good_as_single_scenes() -> None:
    values = np.random.default_rng(5).standard_normal((30, 1))
    pairs = [(f"a{k:02d}", f"b{k:02d}") for k in range(30)]
    (paired,), (alone,) = mean_interval(values, pairs), mean_interval(values, [(a,) for a, _ in pairs])
    assert (paired.low, paired.high) == pytest.approx((alone.low, alone.high), rel=1e-12)
    assert (paired.scenes, alone.scenes) == (60, 30)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_order_of_rows_and_of_scene_names_changes_not_one_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((40, 3)) * 10.0 ** rng.integers(-8, 8, size=(40, 3))
    values[rng.random((40, 3)) < 0.1] = np.nan
    scenes = [tuple(f"s{k}" for k in rng.integers(12, size=2)) for _ in range(40)]
    order = rng.permutation(40)
    shuffled = mean_interval(values[order], [scenes[i][::-1] for i in order])
    assert repr(shuffled) == repr(mean_interval(values, scenes))


def test_absent_rows_are_as_if_they_were_not_there() -> None:
    rng = np.random.default_rng(4)
    values, scenes = rng.standard_normal((60, 1)), [(f"s{k % 12}",) for k in range(60)]
    extra = np.concatenate([values, np.full((30, 1), np.nan)])
    both = np.column_stack([extra, rng.standard_normal(90)])
    intervals = mean_interval(both, scenes + [(f"other{k}",) for k in range(30)])
    assert intervals[0] == mean_interval(values, scenes)[0]
    assert (intervals[0].n, intervals[0].scenes, intervals[1].n, intervals[1].scenes) == (60, 12, 90, 42)


def test_a_row_of_one_scene_twice_belongs_to_it_once() -> None:
    values = np.arange(10.0)[:, None]
    twice = mean_interval(values, [(f"s{k}", f"s{k}") for k in range(10)])
    assert twice == mean_interval(values, [(f"s{k}",) for k in range(10)])


def test_no_rows_say_nothing() -> None:
    one, none = mean_interval(np.array([[1.0, np.nan], [2.0, np.nan]]), [("a",), ("a",)])
    assert (one.mean, one.n, one.scenes) == (1.5, 2, 1)
    assert math.isnan(none.mean) and math.isnan(none.low) and (none.n, none.scenes) == (0, 0)
    assert mean_interval(np.zeros((0, 1)), [])[0].n == 0


@pytest.mark.filterwarnings("error")
def test_an_infinite_score_makes_an_infinite_mean_without_an_interval() -> None:
    values = np.arange(30.0)[:, None].repeat(3, axis=1)
    values[0, 0], values[1, 1], values[2, 1] = np.inf, np.inf, -np.inf
    up, both, none = mean_interval(values, single([1] * 30))
    assert up.mean == math.inf and math.isnan(up.low) and math.isnan(up.high)
    assert math.isnan(both.mean)
    assert none.mean == 14.5 and none.low < 14.5 < none.high


def test_malformed_rows_are_refused() -> None:
    for scenes in ([("a",)], [("a",), ()], ["ab", "cd"]):
        with pytest.raises(ValueError, match="scene"):
            mean_interval(np.zeros((2, 1)), scenes)


def test_thousands_of_pairs_take_less_than_seconds() -> None:
    rng = np.random.default_rng(0)
    scenes = names_of(rng.integers(300, size=(4000, 2)))
    started = time.perf_counter()
    mean_interval(rng.standard_normal((4000, 8)), scenes)
    assert time.perf_counter() - started < 5  # 0.3 s on an idle core


def test_an_interval_is_read_without_scipy_and_torch() -> None:
    code = "import sys, evalkit.stats as s; s.Interval; sys.exit(bool({'torch', 'pandas', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert Interval.__module__ == "evalkit.stats.interval"


def test_a_column_has_the_same_bits_alone_and_beside_others() -> None:
    rng = generator("test", "columns")
    values, scenes = rng.random((41, 7)), names_of(cycle(64, 41))
    assert mean_interval(values, scenes) == tuple(mean_interval(values[:, [k]], scenes)[0] for k in range(7))
