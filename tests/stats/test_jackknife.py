"""Skill-like numbers without each scene: as by deleting rows and others by hand, and intervals that cover the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.stats.interval import Floats
from evalkit.stats.jackknife import OwnAndOthers, jackknife_difference
from evalkit.stats.mean import mean_interval


def skill(own: Floats, others: Floats) -> Floats:
    return 1 - own / others


def values_of(scenes: list[tuple[str, ...]], rng: np.random.Generator, absent: float = 0.0) -> OwnAndOthers:
    """Values of pairs that belong to scenes, each compared with every clip A of another scene."""
    scene_a = [row[0] for row in scenes]
    names = sorted(set(scene_a))
    number = np.array([names.index(name) for name in scene_a])
    is_other = number[:, None] != number[None]
    effect = dict(zip(sorted({name for row in scenes for name in row}), rng.normal(size=99), strict=False))
    own = 20 + np.array([4 * sum(effect[name] for name in row) for row in scenes]) + 3 * rng.normal(size=len(scenes))
    others = 90 + 9 * rng.normal(size=len(names))[number][None] + 9 * rng.normal(size=is_other.shape)
    others = np.where(is_other & (rng.random(is_other.shape) >= absent), others, np.nan)
    return OwnAndOthers(own, others, np.broadcast_to(number, is_other.shape), scenes, names)


DESIGNS = {
    "one scene each": [(f"s{i}",) for i in range(7)],
    "clusters": [(f"s{i // 3}",) for i in range(15)],
    "pairs that share no scene": [(f"s{2 * i}", f"s{2 * i + 1}") for i in range(7)],
    "a cycle": [(f"s{i}", f"s{(i + 1) % 7}") for i in range(7)],
    "both of one scene": [(f"s{i}", f"s{i}") for i in range(7)],
}


def by_hand(values: OwnAndOthers, without: str = "", without_rows: frozenset[str] = frozenset()) -> list[float]:
    kept = [i for i, row in enumerate(values.scenes) if without not in row and frozenset(row) != without_rows]
    means, own = [], []
    for i in kept:
        others = [
            value
            for value, scene in zip(values.others[i], values.other_scenes[i], strict=True)
            if values.names[scene] != without and not math.isnan(value)
        ]
        if others:
            means.append(np.mean(others))
            own.append(values.own[i])
    return [float(np.mean(own)), float(np.mean(means))]


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("absent", [0.0, 0.8])
def test_leaving_out_is_deleting_rows_and_others(design: str, absent: float) -> None:
    scenes = DESIGNS[design]
    values = values_of(scenes, np.random.default_rng(1), absent)
    means = values.means()
    np.testing.assert_allclose(means.whole, by_hand(values))
    kept = [row for row, others in zip(scenes, values.others, strict=True) if not np.isnan(others).all()]
    names = sorted({name for row in kept for name in row} | set(values.names))
    np.testing.assert_allclose(means.scenes.T, [by_hand(values, without=name) for name in names])
    sets = sorted({tuple(sorted(set(row))) for row in kept})
    shared = [frozenset(row) for row in sets if len(row) > 1]
    if shared:
        np.testing.assert_allclose(means.sets.T, [by_hand(values, without_rows=row) for row in shared])


def test_the_interval_of_a_mean_is_that_of_means() -> None:
    rng = np.random.default_rng(0)
    own, scenes = rng.normal(size=9), [(f"a{i}", f"b{i}") for i in range(9)]
    values = OwnAndOthers(own, np.ones((9, 2)), np.arange(18).reshape(9, 2) % 2, scenes, ["far", "wide"])
    interval = values.means().interval(lambda own, others: own)
    (of_mean,) = mean_interval(own[:, None], scenes, bounded=False)
    assert (interval.low, interval.high) == pytest.approx((of_mean.low, of_mean.high))
    assert (interval.n, interval.scenes) == (9, 18)


def test_below_five_scenes_there_is_no_interval() -> None:
    scenes = [(f"s{i}",) for i in range(4)]
    interval = values_of(scenes, np.random.default_rng(0)).means().interval(skill)
    assert math.isfinite(interval.mean) and math.isnan(interval.low) and math.isnan(interval.high)


def test_methods_are_compared_on_what_both_have() -> None:
    """A row that one method lacks counts in neither, nor does its scene; so with a pair of a row and an other."""
    rng, scenes = np.random.default_rng(2), DESIGNS["pairs that share no scene"]
    a, b = values_of(scenes, rng), values_of(scenes, rng)
    lacking = OwnAndOthers(np.where(np.arange(7) == 3, np.nan, b.own), b.others, b.other_scenes, scenes, b.names)
    kept = [i for i in range(7) if i != 3]
    without = [
        OwnAndOthers(one.own[kept], one.others[kept], one.other_scenes[kept], [scenes[i] for i in kept], one.names)
        for one in (a, b)
    ]
    found, expected = jackknife_difference(a, lacking, skill), jackknife_difference(*without, skill)
    assert found == expected and (found.difference.n, found.difference.scenes) == (6, 12)
    backwards = jackknife_difference(lacking, a, skill)
    assert backwards.difference.mean == -found.difference.mean and backwards.p_value == found.p_value


@pytest.mark.parametrize("design", ["pairs", "cycle", "clusters"])
def test_intervals_cover_the_truth_and_equal_methods_seldom_differ(design: str) -> None:
    """The full grid is in `python -m tests.audit skill`."""
    count = 12
    scenes = {
        "pairs": [(f"s{2 * i}", f"s{2 * i + 1}") for i in range(count)],
        "cycle": [(f"s{i}", f"s{(i + 1) % count}") for i in range(count)],
        "clusters": [(f"s{i // 2}",) for i in range(2 * count)],
    }[design]
    rng, covered, different = np.random.default_rng(3), 0, 0
    for _ in range(300):
        a, b = values_of(scenes, rng), values_of(scenes, rng)
        interval = a.means().interval(skill)
        covered += interval.low <= 1 - 20 / 90 <= interval.high
        different += jackknife_difference(a, b, skill).p_value < 0.05
    assert covered >= 0.91 * 300 and different <= 0.08 * 300
