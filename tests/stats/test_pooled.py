from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.stats.bootstrap import mean_interval
from evalkit.stats.pooled import pooled_intervals


def samples(count: int, seed: int) -> tuple[list[np.ndarray], list[str]]:
    rng = np.random.default_rng(seed)
    return [rng.exponential(size=4) for _ in range(count)], [f"scene-{i // 2:02d}" for i in range(count)]


def test_pooled_means_agree_with_the_cluster_bootstrap_of_rows() -> None:
    values, scenes = samples(40, seed=1)
    (pooled,) = pooled_intervals(lambda pool: [pool.mean()], values, scenes, draws=4000)
    rows = np.concatenate(values)[:, None]
    (expected,) = mean_interval(rows, [(scene,) for scene in scenes for _ in range(4)], draws=4000)
    assert pooled.mean == pytest.approx(expected.mean)
    assert (pooled.low, pooled.high) == pytest.approx((expected.low, expected.high), abs=0.03)
    assert (pooled.n, pooled.scenes) == (160, 20)


def test_a_median_is_that_of_everything_and_not_the_mean_of_medians() -> None:
    values = [np.array([0.0, 0.0, 0.0, 9.0]), np.array([9.0])]
    (median,) = pooled_intervals(lambda pool: [float(np.median(pool))], values, ["a", "b"])
    assert (median.mean, median.low, median.high) == (0.0, 0.0, 9.0)


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
