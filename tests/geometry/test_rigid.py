from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.spatial.transform import Rotation, Slerp

from evalkit.geometry.alignment import DegenerateAlignment, align_centres
from evalkit.geometry.interpolation import interpolate_motion, slerp
from evalkit.geometry.plucker import plucker_rays
from evalkit.geometry.quaternions import rotation_entries
from evalkit.geometry.rays import pixel_grid, world_rays
from evalkit.geometry.rotations import (
    hat,
    quaternion_from_rotation,
    rotation_exp,
    rotation_from_quaternion,
    rotation_log,
    rotation_residual,
)
from evalkit.geometry.se3 import (
    camera_centres,
    invert,
    motion_exp,
    motion_log,
    relative_to,
    rotation_angle_deg,
    vector_angle_deg,
)

INTRINSICS = torch.tensor([[70.0, 0, 31], [0, 75, 25], [0, 0, 1]], dtype=torch.float64)
seeds = st.integers(0, 10**6)


def motions(*shape: int, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    poses = np.tile(np.eye(4), (int(np.prod(shape)), 1, 1))
    poses[:, :3, :3] = Rotation.random(len(poses), rng=rng).as_matrix()
    poses[:, :3, 3] = rng.standard_normal((len(poses), 3))
    return torch.from_numpy(poses.reshape(*shape, 4, 4))


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_inverse_and_relative_pose_are_what_matrices_say(seed: int) -> None:
    w2c = motions(2, 5, seed=seed)
    torch.testing.assert_close(invert(w2c), torch.linalg.inv(w2c))
    relative = relative_to(w2c, w2c[:, 2])
    torch.testing.assert_close(relative, w2c @ torch.linalg.inv(w2c[:, 2])[:, None])
    torch.testing.assert_close(relative[:, 2], torch.eye(4, dtype=torch.float64).expand(2, 4, 4))


@pytest.mark.parametrize("angle_deg", [0.0, 1e-9, 1e-4, 1.0, 90.0, 179.0, 180 - 1e-6, 180.0])
def test_angles_are_accurate_at_both_ends(angle_deg: float) -> None:
    rotation = torch.from_numpy(Rotation.from_rotvec([0, np.radians(angle_deg), 0]).as_matrix())
    assert rotation_angle_deg(rotation).item() == pytest.approx(angle_deg, rel=1e-9, abs=1e-13)
    start = torch.tensor([0.0, 0, 3], dtype=torch.float64)
    assert vector_angle_deg(start, rotation @ start * 7).item() == pytest.approx(angle_deg, rel=1e-9, abs=1e-13)


def test_a_vector_without_length_is_at_a_right_angle_to_everything() -> None:
    vectors = torch.tensor([[0.0, 0, 0], [1, 0, 0]])
    assert vector_angle_deg(vectors[:1], vectors).tolist() == [90, 90]


@settings(max_examples=50, deadline=None)
@given(seeds, st.floats(0, np.pi))
def test_rotation_exp_and_log_equal_scipy(seed: int, angle: float) -> None:
    axis = np.random.default_rng(seed).standard_normal(3)
    rotvec = angle * axis / np.linalg.norm(axis)
    expected = Rotation.from_rotvec(rotvec).as_matrix()
    torch.testing.assert_close(rotation_exp(torch.from_numpy(rotvec)).numpy(), expected, rtol=0, atol=1e-12)
    returned = rotation_log(torch.from_numpy(expected))
    torch.testing.assert_close(rotation_exp(returned).numpy(), expected, rtol=0, atol=1e-12)
    assert returned.norm().item() == pytest.approx(angle, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0.01, 100))
def test_quaternions_equal_scipy(seed: int, length: float) -> None:
    rotations = Rotation.random(50, rng=np.random.default_rng(seed))
    quaternions = torch.from_numpy(rotations.as_quat(scalar_first=True))
    expected = torch.from_numpy(rotations.as_matrix())
    torch.testing.assert_close(rotation_from_quaternion(length * quaternions), expected, rtol=0, atol=1e-14)
    returned = quaternion_from_rotation(expected)
    torch.testing.assert_close(returned * returned[:, :1].sign(), quaternions * quaternions[:, :1].sign())


def test_the_residual_of_a_rotation_is_zero_and_of_others_the_closed_form() -> None:
    rotation = motions(4, seed=0)[:, :3, :3]
    assert rotation_residual(rotation).max() < 1e-14
    scales = torch.tensor([[1.0, 1.0, 1.1], [2.0, 1.0, 0.5], [0.0, 0.0, 0.0], [-1.0, 1.0, 1.0]], dtype=torch.float64)
    expected = (scales**2 - 1).square().sum(-1).sqrt()  # M = R diag(s): M'M - I = diag(s^2 - 1)
    torch.testing.assert_close(rotation_residual(rotation * scales[:, None]), expected)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_camera_sees_its_own_centre_at_the_origin(seed: int) -> None:
    w2c = motions(2, 3, seed=seed)
    centres = torch.cat([camera_centres(w2c), torch.ones(2, 3, 1, dtype=torch.float64)], dim=-1)
    origin = torch.tensor([0.0, 0, 0, 1], dtype=torch.float64).expand(2, 3, 4)
    torch.testing.assert_close((w2c @ centres[..., None]).squeeze(-1), origin, rtol=0, atol=1e-14)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_slerp_equals_scipy(seed: int) -> None:
    ends = Rotation.random(2, rng=np.random.default_rng(seed))
    fractions = torch.linspace(0, 1, 7, dtype=torch.float64)
    start, end = torch.from_numpy(ends.as_matrix())
    expected = Slerp([0, 1], ends)(fractions.numpy()).as_matrix()
    torch.testing.assert_close(slerp(start, end, fractions).numpy(), expected, rtol=0, atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(1e-9, 3.1))
def test_motion_exp_is_the_matrix_exponential_and_log_its_inverse(seed: int, angle: float) -> None:
    rng = np.random.default_rng(seed)
    twist = rng.standard_normal(6)
    twist[3:] *= angle / np.linalg.norm(twist[3:])
    generator = np.zeros((4, 4))
    generator[:3, :3], generator[:3, 3] = hat(torch.from_numpy(twist[3:])).numpy(), twist[:3]
    motion = motion_exp(torch.from_numpy(twist))
    torch.testing.assert_close(motion.numpy(), expm(generator), rtol=0, atol=1e-12)
    torch.testing.assert_close(motion_log(motion).numpy(), twist, rtol=0, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_geodesic_has_constant_speed_and_is_the_same_from_either_side(seed: int) -> None:
    (start, end, frame), fractions = motions(3, seed=seed), torch.linspace(0, 1, 6, dtype=torch.float64)
    path = interpolate_motion(start, end, fractions)
    torch.testing.assert_close(path[[0, -1]], torch.stack([start, end]), rtol=0, atol=1e-9)
    steps = path[1:] @ invert(path[:-1])
    torch.testing.assert_close(steps, steps[:1].expand_as(steps), rtol=0, atol=1e-9)
    torch.testing.assert_close(
        interpolate_motion(invert(start), invert(end), fractions), invert(path), rtol=0, atol=1e-9
    )
    torch.testing.assert_close(
        interpolate_motion(start @ frame, end @ frame, fractions), path @ frame, rtol=0, atol=1e-9
    )


def test_pixel_centres_lie_at_a_half() -> None:
    grid = pixel_grid(2, 3, INTRINSICS)
    assert grid[0, 0].tolist() == [0.5, 0.5, 1] and grid[1, 2].tolist() == [2.5, 1.5, 1]


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_point_of_a_pixel_ray_lies_in_that_pixel_at_its_depth(seed: int) -> None:
    w2c = motions(2, seed=seed)
    depth = 0.5 + torch.rand(2, 9, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    origin, directions = world_rays(w2c, INTRINSICS, 9, 12)
    points = origin[:, None, None] + depth[..., None] * directions
    homogeneous = torch.cat([points, torch.ones_like(depth)[..., None]], dim=-1)
    camera = torch.einsum("vij,vhwj->vhwi", w2c, homogeneous)[..., :3]
    pixels = camera @ INTRINSICS.mT / depth[..., None]
    torch.testing.assert_close(pixels, pixel_grid(9, 12, depth).expand(2, -1, -1, -1))


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_plucker_rays_are_the_same_for_every_point_of_the_line(seed: int) -> None:
    w2c = motions(3, seed=seed)
    moment, direction = plucker_rays(w2c, INTRINSICS, 4, 5).split(3, dim=-3)
    origin, along = world_rays(w2c, INTRINSICS, 4, 5)
    point = (origin[..., None, None, :] + 2.7 * along).movedim(-1, -3)
    torch.testing.assert_close(torch.linalg.cross(point, direction, dim=-3), moment)
    torch.testing.assert_close(direction.norm(dim=-3), torch.ones(3, 4, 5, dtype=torch.float64))


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0.01, 100))
def test_alignment_recovers_a_similarity(seed: int, scale: float) -> None:
    rng = torch.Generator().manual_seed(seed)
    centres = torch.randn(2, 6, 3, generator=rng, dtype=torch.float64)
    centres[0, :, 2] = 0  # a planar path is enough
    motion = motions(2, seed=seed)
    target = scale * centres @ motion[:, :3, :3].mT + motion[:, None, :3, 3]
    similarity = align_centres(centres, target)
    torch.testing.assert_close(similarity.apply(centres), target)
    torch.testing.assert_close(similarity.scale, torch.full((2,), scale, dtype=torch.float64))
    torch.testing.assert_close(similarity.rotation, motion[:, :3, :3])


def test_a_mirrored_path_is_not_explained_away() -> None:
    centres = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    similarity = align_centres(centres, -centres)
    assert similarity.scale > 0 and torch.linalg.det(similarity.rotation).item() == pytest.approx(1)
    assert (similarity.apply(centres) + centres).norm(dim=-1).mean() > 0.5


@pytest.mark.parametrize(
    ("centres", "reason"),
    [
        (torch.rand(2, 3), "at least 3"),
        (torch.ones(5, 3), "coincide"),
        (torch.arange(5.0)[:, None] * torch.tensor([1.0, 2, 3]) + 4, "on a line"),
        (torch.full((5, 3), torch.nan), "not finite"),
    ],
)
def test_degenerate_alignments_are_refused(centres: torch.Tensor, reason: str) -> None:
    other = torch.rand(len(centres), 3, generator=torch.Generator().manual_seed(0))
    for pair in ((centres, other), (other, centres)):
        with pytest.raises(DegenerateAlignment, match=reason):
            align_centres(*pair)


def test_numpy_and_torch_quaternions_give_the_same_bits_without_torch_being_imported() -> None:
    quaternions = Rotation.random(100, rng=np.random.default_rng(0)).as_quat(scalar_first=True)
    ours = np.stack([np.stack(row, axis=-1) for row in rotation_entries(*quaternions.T)], axis=-2)
    theirs = torch.stack([torch.stack(r, -1) for r in rotation_entries(*torch.from_numpy(quaternions).unbind(-1))], -2)
    assert (ours == theirs.numpy()).all()
    code = "import sys, evalkit.geometry.quaternions; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
