"""Answers that the frames do not settle are refused, and points behind a camera find their way to the front."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.oracles.sfm.bundle import Bundle, Observations, RobustLoss, adjust, cost_of, project
from evalkit.oracles.sfm.rotations import Array, rotation_exp
from evalkit.oracles.sfm.settings import Failure
from evalkit.oracles.sfm.stability import angle_between_deg, distinct, refuse_disagreeing_halves, refuse_rivals

FOCAL = 300.0
LOSS = RobustLoss(0.2, FOCAL, 0.0)


def arc(sideways: float, turn: float = 0.05) -> Array:
    """Five cameras w2c [5, 4, 4] that turn about the vertical axis and move by ``sideways`` in all."""
    w2c = np.tile(np.eye(4), (5, 1, 1))
    steps = np.linspace(-0.5, 0.5, 5)
    w2c[:, :3, :3] = rotation_exp(steps[:, None] * [0.0, turn, 0.0])
    w2c[:, 0, 3] = steps * sideways
    return w2c


def scene(w2c: Array, count: int = 200, noise_px: float = 0.1) -> tuple[Bundle, Observations]:
    """A state at the truth and what is observed of it; depths from 3 to 9."""
    rng = np.random.default_rng(0)
    points = rng.uniform([-1, -1, 3], [1, 1, 9], (count, 3))
    state = Bundle(w2c[None], points[None], np.array([FOCAL]))
    offsets = project(state)[0][0] + noise_px * rng.normal(size=(count, len(w2c), 2))
    return state, Observations(offsets, np.ones((count, len(w2c)), bool))


def test_the_angle_between_cameras_is_that_of_their_translations_and_blind_to_scale() -> None:
    w2c = arc(1.0, turn=0.0)
    turned, larger = w2c.copy(), w2c.copy()
    turned[:, :3, 3] = w2c[:, :3, 3] @ rotation_exp(np.array([0.0, 0.0, 0.5])).T
    larger[:, :3, 3] *= 7
    assert angle_between_deg(w2c, turned) == pytest.approx(np.degrees(0.5))
    assert angle_between_deg(w2c, larger) == pytest.approx(0, abs=1e-4)
    assert angle_between_deg(w2c, arc(1.0, turn=-0.4)) == pytest.approx(np.degrees(0.4) / 2, abs=3)


def test_ends_of_one_solution_count_once_and_the_cheapest_stands_first() -> None:
    straight, forward = arc(1.0), arc(1.0)
    forward[:, :3, 3] = forward[:, :3, 3][:, [2, 1, 0]]
    w2c = np.stack([straight, forward, straight])
    ends = Bundle(w2c, np.ones((3, 4, 3)), np.full(3, FOCAL), np.array([2.0, 3.0, 1.0]))
    assert distinct(ends).tolist() == [2, 1]


@pytest.mark.parametrize(("supporters", "refused"), [(105, True), (130, False)])
def test_a_rival_is_refused_only_where_it_fits_about_as_well(supporters: int, refused: bool) -> None:
    # of 200 points, some agree with the first cameras, the others with the rival: 0.7 and 4.2 standard deviations
    sideways, forward = arc(1.0), arc(1.0)
    forward[:, :3, 3] = forward[:, :3, 3][:, [2, 1, 0]]
    truth, data = scene(sideways, noise_px=0.0)
    states = Bundle(np.stack([sideways, forward]), np.repeat(truth.points, 2, axis=0), np.full(2, FOCAL))
    agrees = (np.arange(200) < supporters)[:, None, None]
    mixed = Observations(np.where(agrees, *project(states)[0]), data.visible)
    if refused:
        with pytest.raises(Failure, match="two solutions fit about as well and differ by 90 degrees"):
            refuse_rivals(states, mixed, LOSS)
    else:
        refuse_rivals(states, mixed, LOSS)


def test_halves_that_see_other_motions_are_refused_and_noise_is_not() -> None:
    truth, data = scene(arc(1.0), noise_px=0.2)
    refuse_disagreeing_halves(truth, data, LOSS)
    upward = arc(1.0)
    upward[:, :3, 3] = upward[:, :3, 3][:, [1, 0, 2]]
    left = data.offsets[:, 2, 0] < np.median(data.offsets[:, 2, 0])
    moved = project(Bundle(upward[None], truth.points, truth.focal))[0][0]
    mixed = Observations(np.where(left[:, None, None], moved, data.offsets), data.visible)
    with pytest.raises(Failure, match="the left and the right half of the frames give cameras that differ by"):
        refuse_disagreeing_halves(truth, mixed, LOSS)


def test_points_behind_a_camera_come_to_the_front() -> None:
    truth, data = scene(arc(0.3), noise_px=0.05)
    trapped = truth.points.copy()
    trapped[0, :20] *= -1
    start = Bundle(truth.w2c, trapped, truth.focal)
    end = adjust(start, data, LOSS, 60)
    assert cost_of(end, data, LOSS)[0] <= 1.01 * cost_of(adjust(truth, data, LOSS, 60), data, LOSS)[0]
    assert (end.points[0, :, 2] > 0).all()
