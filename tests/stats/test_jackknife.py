"""Skill-like numbers without each scene: as by deleting rows and others by hand, and intervals that cover the truth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from evalkit.stats import mean_interval
from evalkit.stats.interval import Floats
from evalkit.stats.jackknife import OwnAndOthers, in_common, jackknife_difference


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


def test_the_interval_of_a_mean_is_that_of_mean_interval() -> None:
    rng = np.random.default_rng(0)
    own, scenes = rng.normal(size=9), [(f"a{i}", f"b{i}") for i in range(9)]
    values = OwnAndOthers(own, np.ones((9, 2)), np.arange(18).reshape(9, 2) % 2, scenes, ["far", "wide"])
    interval = values.means().interval(lambda own, others: own)
    (expected,) = mean_interval(own[:, None], scenes, bounded=False)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert (interval.n, interval.scenes) == (9, 18)


def test_below_five_scenes_there_is_no_interval() -> None:
    scenes = [(f"s{i}",) for i in range(4)]
    interval = values_of(scenes, np.random.default_rng(0)).means().interval(skill)
    assert math.isfinite(interval.mean) and math.isnan(interval.low) and math.isnan(interval.high)


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
        a, b = values_of(scenes, rng).means(), values_of(scenes, rng).means()
        interval = a.interval(skill)
        covered += interval.low <= 1 - 20 / 90 <= interval.high
        different += jackknife_difference(a, b, skill).p_value < 0.05
    assert covered >= 0.91 * 300 and different <= 0.08 * 300


def test_methods_are_compared_on_the_rows_that_both_have() -> None:
    scenes = [(f"a{i}", f"b{i}") for i in range(12)]
    a, b = (values_of(scenes, np.random.default_rng(seed)) for seed in (1, 2))
    unread = np.arange(12) % 4 == 1
    part = replace(b, own=np.where(unread, np.nan, b.own), others=np.where(unread[:, None], np.nan, b.others))
    first, second = in_common(a, part)
    assert np.isnan(first.own).tolist() == unread.tolist() and np.isnan(second.others).all(axis=1).sum() == 3
    found = jackknife_difference(first.means(), second.means(), skill)
    assert (found.difference.n, found.difference.scenes) == (9, 18)
    expected = first.means().interval(skill).mean - part.means().interval(skill).mean
    assert found.difference.mean == pytest.approx(expected) and 0 < found.p_value < 1
