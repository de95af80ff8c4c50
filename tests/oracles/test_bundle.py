"""Bundle adjustment against scenes whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evalkit.oracles.sfm.bundle import (
    Bundle,
    Observations,
    RobustLoss,
    adjust,
    apply_step,
    cost_of,
    linearise,
    parallax_deg,
    project,
    relative_to_middle,
    residuals,
    triangulated,
)
from evalkit.oracles.sfm.rotations import rotation_exp, rotation_log
from evalkit.oracles.sfm.starts import at_focal_ratio, relief_reversed, starts

FOCAL = 280.0
LOSS = RobustLoss(scale=0.2, focal_prior=300.0, focal_spread=0.5)


def scene(frames: int = 5, points: int = 150, noise_px: float = 0.0) -> tuple[Bundle, Observations]:
    """Frames on an arc of 12 degrees round a cloud of points at distance 5, four fifths of which each sees."""
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(points, 3)) * [1, 1, 0.6] + [0, 0, 5]
    w2c = np.tile(np.eye(4), (frames, 1, 1))
    w2c[:, :3, :3] = rotation_exp(np.linspace(-0.1, 0.1, frames)[:, None] * [0.3, 1, 0.1])
    centre = np.array([0, 0, 5.0])
    w2c[:, :3, 3] = centre - w2c[:, :3, :3] @ centre + 0.1 * rng.normal(size=(frames, 3))
    state = Bundle(w2c[None], cloud[None], np.array([FOCAL]))
    offsets = project(state)[0][0]
    seen = rng.random((points, frames)) < 0.8
    seen[:, :2] = True
    return state, Observations(offsets + noise_px * rng.normal(size=offsets.shape), seen)


def test_rotation_vectors_agree_with_the_matrix_rotation_exp() -> None:
    turns = np.random.default_rng(0).normal(size=(20, 3))
    turns = np.concatenate([turns, turns * 1e-9, np.zeros((1, 3))])
    x, y, z = torch.from_numpy(turns).T
    o = torch.zeros_like(x)
    generator = torch.stack([o, -z, y, z, o, -x, -y, x, o], dim=-1).reshape(-1, 3, 3)
    np.testing.assert_allclose(rotation_exp(turns), torch.matrix_exp(generator).numpy(), atol=1e-14)
    np.testing.assert_allclose(rotation_log(rotation_exp(turns)), turns, atol=1e-12)


def test_derivatives_agree_with_differences() -> None:
    state, data = scene(noise_px=1.0)
    state, rng = relative_to_middle(state), np.random.default_rng(1)
    camera, point, focal = (1e-6 * rng.normal(size=s) for s in ((1, 5, 6), (1, 150, 3), (1,)))
    camera[:, 2] = 0  # the middle frame stays
    by_camera, by_point, _ = linearise(state, data, RobustLoss(1e9, 300.0, 0.5))
    expected = np.einsum("hpvrc,hvc->hpvr", by_camera[..., :6], camera) + by_camera[..., 6] * focal
    expected += np.einsum("hpvrc,hpc->hpvr", by_point, point)
    found = residuals(apply_step(state, camera, point, focal), data) - residuals(state, data)
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_exact_observations_give_back_the_scene_from_any_start() -> None:
    truth, data = scene()
    ends = adjust(starts(truth, (0.8, 1.4)), data, RobustLoss(0.2, FOCAL, 0.5), 100, 1e-12)
    assert ends.cost is not None
    best = ends.take([int(ends.cost.argmin())])
    np.testing.assert_allclose(best.focal, FOCAL, rtol=1e-3)
    np.testing.assert_allclose(best.w2c[..., :3, :3], relative_to_middle(truth).w2c[..., :3, :3], atol=1e-4)
    assert ends.cost.min() < 1e-3 * ends.cost.max()


def test_a_tenth_of_wrong_matches_hardly_matters() -> None:
    truth, data = scene(noise_px=0.2)
    wrong = np.random.default_rng(2).random(len(data.visible)) < 0.1
    offsets = np.where(wrong[:, None, None], np.roll(data.offsets, 1, axis=0), data.offsets)
    end = adjust(truth, Observations(offsets, data.visible), LOSS, 60)
    np.testing.assert_allclose(end.focal, FOCAL, rtol=0.05)
    np.testing.assert_allclose(end.w2c[..., :3, :3], relative_to_middle(truth).w2c[..., :3, :3], atol=0.01)


def test_turning_a_distant_shallow_relief_inside_out_hardly_moves_a_pixel_and_twice_is_nothing() -> None:
    state, _ = scene()
    far = Bundle(state.w2c.copy(), (state.points - [0, 0, 5]) * [1, 1, 0.3] + [0, 0, 60], state.focal * 12)
    far.w2c[:, :, :3, 3] = [0, 0, 60] - far.w2c[:, :, :3, :3] @ np.array([0, 0, 60.0])
    moves = np.abs(project(relief_reversed(far))[0] - project(far)[0])
    back = project(relief_reversed(relief_reversed(far)))[0]
    assert np.median(moves) < 0.3
    np.testing.assert_allclose(back, project(far)[0], atol=0.05)


def test_a_dolly_zoom_keeps_the_median_point_in_its_place() -> None:
    state, _ = scene(points=1)
    np.testing.assert_allclose(project(at_focal_ratio(state, 1.5))[0], project(state)[0], atol=1e-9)


def test_midpoints_of_exact_rays_are_the_points_and_parallax_is_the_angle_between_them() -> None:
    truth, data = scene()
    np.testing.assert_allclose(triangulated(truth, data).points, truth.points, atol=1e-9)
    pair = np.tile(np.eye(4), (2, 1, 1))
    pair[1, 0, 3] = -1
    point = Bundle(pair[None], np.array([[[0.0, 0.0, 1.0]]]), np.array([1.0]))
    seen = Observations(np.zeros((1, 2, 2)), np.ones((1, 2), bool))
    assert parallax_deg(point, seen)[0] == pytest.approx(45)


def test_cost_of_true_cameras_counts_only_what_is_seen() -> None:
    truth, data = scene()
    hidden = Observations(np.where(data.visible[..., None], data.offsets, 1e6), data.visible)
    assert cost_of(truth, hidden, RobustLoss(0.2, FOCAL, 0.5))[0] == pytest.approx(0, abs=1e-12)
