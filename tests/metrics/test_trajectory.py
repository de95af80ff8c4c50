from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from evalkit.geometry.alignment import DegenerateAlignment
from evalkit.geometry.se3 import camera_centres, invert
from evalkit.metrics.trajectory import ate, extent, rpe


def trajectory(views: int, seed: int) -> torch.Tensor:
    """Random cameras, w2c [V, 4, 4]."""
    rng = np.random.default_rng(seed)
    w2c = np.tile(np.eye(4), (views, 1, 1))
    w2c[:, :3, :3] = Rotation.random(views, rng=rng).as_matrix()
    w2c[:, :3, 3] = rng.standard_normal((views, 3))
    return torch.from_numpy(w2c)


def placed(axes: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Cameras w2c with c2w rotations [V, 3, 3] at centres [V, 3]."""
    c2w = torch.eye(4, dtype=centres.dtype).repeat(len(centres), 1, 1)
    c2w[:, :3, :3], c2w[:, :3, 3] = axes, centres
    return invert(c2w)


def moved(w2c: torch.Tensor, scale: float, seed: int) -> torch.Tensor:
    """The same cameras in a world that is turned, shifted and scaled."""
    rng = np.random.default_rng(seed)
    turn = torch.from_numpy(Rotation.random(rng=rng).as_matrix())
    c2w = invert(w2c)
    centres = scale * c2w[:, :3, 3] @ turn.mT + torch.from_numpy(10 * rng.standard_normal(3))
    return placed(turn @ c2w[:, :3, :3], centres)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 100))
def test_a_trajectory_in_another_world_has_no_error(seed: int, scale: float) -> None:
    true = trajectory(6, seed)
    pred = moved(true, scale, seed + 1)
    rotation_deg, translation = rpe(pred, true)
    assert ate(pred, true).item() < 1e-8 * extent(true).item()
    assert rotation_deg.max() < 1e-6 and translation.max() < 1e-8


def test_ate_is_the_least_that_any_similarity_leaves() -> None:
    """Against a search over rotation vector, scale and translation that knows nothing of Umeyama."""
    pred, true = trajectory(5, 1), trajectory(5, 2)
    p, q = camera_centres(pred).numpy(), camera_centres(true).numpy()

    def left(x: np.ndarray) -> float:
        return float(((np.exp(x[6]) * Rotation.from_rotvec(x[:3]).apply(p) + x[3:6] - q) ** 2).sum(1).mean())

    starts = np.random.default_rng(0).normal(size=(12, 7))
    least = min(minimize(left, start, method="BFGS").fun for start in starts)
    assert ate(pred, true).item() == pytest.approx(np.sqrt(least), rel=1e-5)


def test_ate_of_a_displaced_square_is_what_geometry_says() -> None:
    """A square with one pair of opposite corners lifted by h, the other lowered: no similarity undoes any of it."""
    square = torch.tensor([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]], dtype=torch.float64)
    bent = square + 0.1 * torch.tensor([[0.0, 0, 1], [0, 0, -1], [0, 0, 1], [0, 0, -1]], dtype=torch.float64)
    axes = torch.eye(3, dtype=torch.float64).expand(4, 3, 3)
    assert extent(placed(axes, square)).item() == pytest.approx(2)
    assert ate(placed(axes, square), placed(axes, bent)).item() == pytest.approx(0.1)
    # the other way round the bent one may shrink: s = 1 / 1.01 leaves 0.1 s upwards and 1 - s outwards
    s = 1 / 1.01
    assert ate(placed(axes, bent), placed(axes, square)).item() == pytest.approx(np.hypot(0.1 * s, 1 - s))


def test_rpe_equals_matrix_products_frame_by_frame() -> None:
    pred, true = trajectory(5, 3), trajectory(5, 4)
    rotation_deg, translation = rpe(pred, true)
    p, q = camera_centres(pred).numpy(), camera_centres(true).numpy()
    u, d, vt = np.linalg.svd((q - q.mean(0)).T @ (p - p.mean(0)))
    d[2] *= np.sign(np.linalg.det(u @ vt))
    scale = d.sum() / ((p - p.mean(0)) ** 2).sum()
    for i in range(4):
        steps = []
        for w2c, s in ((pred.numpy(), scale), (true.numpy(), 1.0)):
            step = w2c[i] @ np.linalg.inv(w2c[i + 1])
            step[:3, 3] *= s
            steps.append(step)
        error = np.linalg.inv(steps[1]) @ steps[0]
        angle = np.degrees(Rotation.from_matrix(error[:3, :3]).magnitude())
        assert rotation_deg[i].item() == pytest.approx(angle)
        assert translation[i].item() == pytest.approx(np.linalg.norm(error[:3, 3]))


def test_a_drift_of_one_degree_a_frame_is_a_rotation_error_of_one_degree() -> None:
    true = placed(torch.eye(3).double(), torch.randn(7, 3, generator=torch.Generator().manual_seed(0)).double())
    drift = torch.from_numpy(Rotation.from_euler("y", np.arange(7.0)[:, None], degrees=True).as_matrix())
    pred = placed(drift, camera_centres(true))
    assert rpe(pred, true)[0].numpy() == pytest.approx(np.ones(6))
    assert ate(pred, true).item() < 1e-9, "the centres are where they belong"


@pytest.mark.parametrize("which", ["predicted", "true"])
@pytest.mark.parametrize(
    ("centres", "reason"),
    [
        (torch.zeros(5, 3), "coincide"),
        (torch.arange(5.0)[:, None] * torch.tensor([0.0, 0, 1]), "on a line"),
        (torch.rand(2, 3), "at least 3"),
    ],
)
def test_standing_still_and_a_straight_line_have_no_error_to_speak_of(
    centres: torch.Tensor, reason: str, which: str
) -> None:
    flawed, sound = placed(torch.eye(3).double(), centres.double()), trajectory(len(centres), 6)
    pair = (flawed, sound) if which == "predicted" else (sound, flawed)
    for error in (ate, rpe):
        with pytest.raises(DegenerateAlignment, match=reason):
            error(*pair)
