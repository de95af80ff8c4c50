from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalkit.stats.bootstrap import bootstrap_means, mean_interval
from evalkit.stats.interval import Interval
from evalkit.stats.paired import paired_difference


def clustered(
    rng: np.random.Generator, scenes: int = 25, rows: int = 8
) -> tuple[np.ndarray, list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Rows [N, 1] of mean 0 that share most of their noise with their scene; their scenes; one scene a row instead."""
    values = rng.standard_normal((scenes, 1)) + 0.5 * rng.standard_normal((scenes, rows))
    names = [(f"scene{k}",) for k in range(scenes) for _ in range(rows)]
    return values.reshape(-1, 1), names, [(f"row{k}",) for k in range(scenes * rows)]


def test_intervals_cover_the_truth_as_often_as_they_say_and_rowwise_ones_do_not() -> None:
    rng = np.random.default_rng(0)
    covered = np.zeros(2)
    for _ in range(200):
        values, by_scene, by_row = clustered(rng)
        for k, scenes in enumerate((by_scene, by_row)):
            (interval,) = mean_interval(values, scenes, draws=400)
            covered[k] += interval.low <= 0 <= interval.high
    assert 0.90 <= covered[0] / 200 <= 0.98
    assert covered[1] / 200 < 0.75


def test_pairs_that_share_scenes_are_covered_too() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        effect = rng.standard_normal((2, 20))
        a, b = np.triu_indices(20, 1)
        picked = rng.permutation(len(a))[:60]
        values = (effect[0, a] + effect[1, b])[picked, None]
        scenes = [(f"s{i}", f"s{j}") for i, j in zip(a[picked], b[picked], strict=True)]
        (interval,) = mean_interval(values, scenes, draws=400)
        covered += interval.low <= 0 <= interval.high
    assert covered / 200 >= 0.90


def test_disjoint_pairs_are_as_good_as_single_scenes() -> None:
    values = np.random.default_rng(5).standard_normal((30, 1))
    pairs = [(f"a{k:02d}", f"b{k:02d}") for k in range(30)]
    assert repr(mean_interval(values, pairs)) == repr(mean_interval(values, [(a,) for a, _ in pairs]))
    crossed = [(f"a{k:02d}", f"a{(k + 1) % 30:02d}") for k in range(30)]
    (wide,), (narrow,) = mean_interval(values, crossed), mean_interval(values, pairs)
    assert wide.high - wide.low > narrow.high - narrow.low


def test_one_row_a_scene_is_the_ordinary_percentile_bootstrap() -> None:
    values = np.random.default_rng(2).gamma(2.0, size=80)
    (interval,) = mean_interval(values[:, None], [(f"s{k}",) for k in range(80)], draws=20_000)
    expected = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=3).confidence_interval
    width = expected.high - expected.low
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(expected.low, abs=0.03 * width)
    assert interval.high == pytest.approx(expected.high, abs=0.03 * width)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_order_of_rows_and_of_scene_names_changes_not_one_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((40, 3)) * 10.0 ** rng.integers(-8, 8, size=(40, 3))
    values[rng.random((40, 3)) < 0.1] = np.nan
    scenes = [tuple(f"s{k}" for k in rng.integers(6, size=2)) for _ in range(40)]
    order = rng.permutation(40)
    shuffled = mean_interval(values[order], [scenes[i][::-1] for i in order], draws=50)
    assert repr(shuffled) == repr(mean_interval(values, scenes, draws=50))


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
    assert mean_interval(values, [(f"s{k}", f"s{k}") for k in range(10)]) == mean_interval(
        values, [(f"s{k}",) for k in range(10)]
    )


def test_one_scene_says_nothing_about_spread_and_no_rows_say_nothing() -> None:
    one, none = mean_interval(np.array([[1.0, np.nan], [2.0, np.nan]]), [("a",), ("a",)])
    assert (one.mean, one.n, one.scenes) == (1.5, 2, 1)
    assert math.isnan(one.low) and math.isnan(one.high)
    assert math.isnan(none.mean) and math.isnan(none.low) and (none.n, none.scenes) == (0, 0)
    assert mean_interval(np.zeros((0, 1)), [])[0].n == 0


@pytest.mark.filterwarnings("error")
def test_an_infinite_score_makes_an_infinite_mean_not_nan() -> None:
    values = np.arange(30.0)[:, None].repeat(3, axis=1)
    values[0, 0], values[1, 1], values[2, 1] = np.inf, np.inf, -np.inf
    up, both, none = mean_interval(values, [(f"s{k}",) for k in range(30)])
    assert up.mean == math.inf and up.high == math.inf and math.isfinite(up.low)
    assert math.isnan(both.mean) and (both.low, both.high) == (-math.inf, math.inf)
    assert none.mean == 14.5 and none.low < 14.5 < none.high


def test_draws_that_pick_no_row_do_not_count() -> None:
    values, scenes = np.array([[1.0], [5.0]]), [("a", "b"), ("c", "d")]
    means = bootstrap_means(values, scenes, draws=500)
    assert np.isnan(means).any()
    (interval,) = mean_interval(values, scenes, draws=500)
    assert interval == Interval(3.0, 1.0, 5.0, 2, 4)


def test_malformed_rows_are_refused() -> None:
    for scenes in ([("a",)], [("a",), ()], ["ab", "cd"]):
        with pytest.raises(ValueError, match="scene"):
            mean_interval(np.zeros((2, 1)), scenes)


def test_pairing_finds_a_difference_that_separate_intervals_hide() -> None:
    rng = np.random.default_rng(5)
    values, scenes, _ = clustered(rng)
    a, b = values[:, 0], values[:, 0] - 0.1 + 0.05 * rng.standard_normal(len(values))
    comparison = paired_difference(a, b, scenes)
    (first,), (second,) = mean_interval(a[:, None], scenes), mean_interval(b[:, None], scenes)
    assert first.low < second.high
    assert 0.09 < comparison.difference.low < comparison.difference.high < 0.11
    assert comparison.p_value < 0.002
    assert paired_difference(b, a, scenes).p_value == comparison.p_value


def test_equal_methods_have_p_value_one_even_where_both_are_perfect() -> None:
    values = np.array([np.inf, 20.0, 30.0, np.nan])
    comparison = paired_difference(values, values, [("a",), ("b",), ("c",), ("d",)])
    assert comparison.p_value == 1 and comparison.difference.mean == 0 and comparison.difference.n == 3


def test_p_values_of_no_difference_are_uniform() -> None:
    rng = np.random.default_rng(6)
    p_values = []
    for _ in range(200):
        values, scenes, _ = clustered(rng, scenes=30)
        p_values.append(paired_difference(values[:, 0], np.zeros(len(values)), scenes, draws=400).p_value)
    assert 0.02 <= np.mean(np.array(p_values) < 0.05) <= 0.11


def test_one_group_that_holds_most_rows_is_not_drawn_as_one() -> None:
    rng = np.random.default_rng(0)
    chain = [(f"c{i}", f"c{i + 1}") for i in range(30)]
    singles = [(f"s{i}", f"t{i}") for i in range(15)]
    values = rng.normal(10.0, 1.0, (45, 1))
    values[:30] -= 1.0  # were the chain one draw among sixteen, most draws would hold it once or twice, or not at all
    (interval,) = mean_interval(values, [*chain, *singles])
    assert interval.scenes == 61, "scenes were drawn"
    middle, half = (interval.low + interval.high) / 2, (interval.high - interval.low) / 2
    assert abs(interval.mean - middle) < 0.3 * half


def test_an_interval_is_read_without_scipy_and_torch() -> None:
    code = "import sys, evalkit.stats.interval; sys.exit(bool({'torch', 'pandas', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
