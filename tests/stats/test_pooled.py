from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.stats import mean_interval
from evalkit.stats.pooled import jackknife, pooled_intervals
from tests.audit.simulated import cycle, names_of


def samples(count: int, seed: int) -> tuple[list[np.ndarray], list[str]]:
    rng = np.random.default_rng(seed)
    return [rng.exponential(size=4) for _ in range(count)], [f"scene-{i // 2:02d}" for i in range(count)]


def test_the_jackknife_of_a_mean_is_the_interval_of_the_mean() -> None:
    values, scenes = samples(40, seed=1)
    (pooled,) = pooled_intervals(lambda pool: [pool.mean()], values, scenes)
    (expected,) = mean_interval(np.concatenate(values)[:, None], [(scene,) for scene in scenes for _ in range(4)])
    assert (pooled.mean, pooled.low, pooled.high) == pytest.approx((expected.mean, expected.low, expected.high))
    assert (pooled.n, pooled.scenes) == (160, 20)
    pairs = names_of(cycle(12, 12))
    rows = np.random.default_rng(0).standard_normal(12)
    (crossed,), (mean,) = jackknife(lambda kept: [rows[kept].mean()], pairs), mean_interval(rows[:, None], pairs)
    assert (crossed.low, crossed.high) == pytest.approx((mean.low, mean.high))


def test_a_median_is_that_of_everything_and_not_the_mean_of_medians() -> None:
    values = [np.array([0.0, 0.0, 0.0, 9.0]), np.array([9.0])]
    (median,) = pooled_intervals(lambda pool: [float(np.median(pool))], values, ["a", "b"])
    assert median.mean == 0.0 and math.isnan(median.low)


def test_the_order_of_samples_changes_no_bit() -> None:
    values, scenes = samples(12, seed=2)

    def statistic(pool: np.ndarray) -> list[float]:
        return [float(np.median(pool)), float((np.sort(pool) < 1).mean())]

    forwards = pooled_intervals(statistic, values, scenes)
    swapped = [i for pair in range(11, -1, -2) for i in (pair - 1, pair)]
    assert pooled_intervals(statistic, [values[i] for i in swapped], [scenes[i] for i in swapped]) == forwards


def test_one_scene_has_no_interval_and_none_is_an_error() -> None:
    (only,) = pooled_intervals(lambda pool: [pool.sum()], [np.ones(3)], ["a"])
    assert only.mean == 3 and math.isnan(only.low) and math.isnan(only.high)
    with pytest.raises(ValueError, match="one or more samples"):
        pooled_intervals(lambda pool: [pool.sum()], [], [])
