from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from evalkit.stats import mean_interval, paired_difference
from evalkit.stats.paired import holm
from tests.audit.simulated import clustered, crossed, cycle, generator, names_of, single


def test_p_is_that_of_all_sign_flips() -> None:
    values = np.random.default_rng(0).standard_normal(9) + 0.4
    expected = stats.permutation_test(
        (values, np.zeros(9)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert paired_difference(values, np.zeros(9), single([1] * 9)).p_value == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_few_scenes_have_no_p_value_and_say_why(count: int) -> None:
    comparison = paired_difference(np.arange(1.0, 1 + 3 * count), np.zeros(3 * count), single([3] * count))
    assert math.isnan(comparison.p_value) and f"{count} scenes" in comparison.reason
    assert paired_difference(np.ones(6), np.zeros(6), single([1] * 6)).p_value == pytest.approx(2 / 64)


@pytest.mark.parametrize("count", [6, 8, 12])
def test_exchangeable_methods_seldom_differ(count: int) -> None:
    values = clustered(np.full(count, 3), 400, generator("null", count))
    p_values = [paired_difference(column, np.zeros(3 * count), single([3] * count)).p_value for column in values.T]
    assert np.mean(np.array(p_values) < 0.05) <= 0.08


@pytest.mark.parametrize(("count", "rows"), [(8, 8), (24, 24), (64, 64)])
def test_exchangeable_methods_seldom_differ_on_a_cycle(count: int, rows: int) -> None:
    pairs = cycle(count, rows)
    values = crossed(pairs, "scenes", 400, generator("null", count))
    p_values = [paired_difference(column, np.zeros(rows), names_of(pairs)).p_value for column in values.T]
    assert np.mean(np.array(p_values) < 0.05) <= 0.08


def test_pairing_finds_a_difference_that_separate_intervals_hide() -> None:
    rng = np.random.default_rng(5)
    a = clustered(np.full(25, 8), 1, rng)[:, 0]
    b, scenes = a - 0.1 + 0.05 * rng.standard_normal(200), single([8] * 25)
    comparison = paired_difference(a, b, scenes)
    (first,), (second,) = mean_interval(a[:, None], scenes), mean_interval(b[:, None], scenes)
    assert first.low < second.high
    assert 0.09 < comparison.difference.low < comparison.difference.high < 0.115
    assert comparison.p_value < 0.001
    assert paired_difference(b, a, scenes).p_value == comparison.p_value


def test_equal_methods_have_p_value_one_even_where_both_are_perfect() -> None:
    values = np.array([np.inf, 20.0, 30.0, np.nan, 1.0, 2.0, 3.0])
    comparison = paired_difference(values, values, single([1] * 7))
    assert comparison.p_value == 1 and comparison.difference.mean == 0 and comparison.difference.n == 6
    assert math.isnan(comparison.difference.low)


def test_holm_is_that_of_a_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, math.nan, 0.6])[0] == 1.0 and math.isnan(holm([math.nan])[0])
