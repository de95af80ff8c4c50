"""Bundle adjustment of short clips in numpy: robust, one shared focal length with a prior, many states at once.

Shapes: H states, P points, V frames. ``w2c`` [H, V, 4, 4]; ``points`` [H, P, 3]; ``focal`` [H] in pixels;
``visible`` [P, V]: which point is observed in which frame; ``offsets`` [P, V, 2]: observed positions in pixels from the
principal point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.oracles.sfm.rotations import Array, rotation_exp

MIN_DEPTH = 1e-3  # in units of the median depth of a scene; nearer points are moved to it
DAMPING = 1e-3  # Levenberg-Marquardt, at the start
MAX_DAMPING = 1e6  # a state stops here: its steps are too short to matter
FAR_DEPTHS = (5.0, 20.0, 100.0)  # where points behind a camera are tried again, in units of the median depth
FORWARD_EVERY = 5  # steps


@dataclass(frozen=True)
class Observations:
    """Observed positions: ``offsets`` [P, V, 2] where ``visible`` [P, V]."""

    offsets: Array
    visible: Array

    def take(self, index: Array) -> Observations:
        """Return the observations of some points."""
        return Observations(self.offsets[index], self.visible[index])


@dataclass(frozen=True)
class Bundle:
    """H states of a reconstruction: cameras, points, focal length, and the cost where it is known."""

    w2c: Array
    points: Array
    focal: Array
    cost: Array | None = None

    def take(self, index: Any) -> Bundle:
        """Return some of the H states."""
        cost = None if self.cost is None else self.cost[index]
        return Bundle(self.w2c[index], self.points[index], self.focal[index], cost)


@dataclass(frozen=True)
class RobustLoss:
    """Cauchy's loss at ``scale`` pixels, and a normal prior on the logarithm of the focal length.

    A deviation by ``focal_spread`` costs as much as one residual of ``scale``; a spread of 0 keeps the focal length.
    """

    scale: float
    focal_prior: float
    focal_spread: float


def relative_to_middle(state: Bundle) -> Bundle:
    """Express the state in the axes of its middle camera, with the median depth there as the unit of length."""
    reference = state.w2c[:, state.w2c.shape[1] // 2]
    rotation, translation = reference[:, :3, :3], reference[:, :3, 3]
    points = np.einsum("hij,hpj->hpi", rotation, state.points) + translation[:, None]
    w2c = state.w2c.copy()
    w2c[..., :3, :3] = state.w2c[..., :3, :3] @ rotation.swapaxes(-1, -2)[:, None]
    w2c[..., :3, 3] -= np.einsum("hvij,hj->hvi", w2c[..., :3, :3], translation)
    unit = np.abs(np.median(points[..., 2], axis=1))[:, None]
    w2c[..., :3, 3] /= unit[..., None]
    return Bundle(w2c, points / unit[..., None], state.focal)


def project(state: Bundle) -> tuple[Array, Array, Array]:
    """Return offsets in pixels [H, P, V, 2], rotated points R X [H, P, V, 3] and camera points [H, P, V, 3]."""
    rotated = np.einsum("hvij,hpj->hpvi", state.w2c[..., :3, :3], state.points, optimize=True)
    camera = rotated + state.w2c[:, None, :, :3, 3]
    camera[..., 2] = np.maximum(camera[..., 2], MIN_DEPTH)
    return state.focal[:, None, None, None] * camera[..., :2] / camera[..., 2:], rotated, camera


def residuals(state: Bundle, data: Observations) -> Array:
    """Reprojection errors [H, P, V, 2] in pixels, 0 where nothing is observed."""
    return (project(state)[0] - data.offsets) * data.visible[..., None]


def cost_of(state: Bundle, data: Observations, loss: RobustLoss) -> Array:
    """Robust cost [H] of each state, in squared pixels."""
    squared = (residuals(state, data) ** 2).sum(-1) / loss.scale**2
    return np.asarray(loss.scale**2 * (np.log1p(squared).sum((1, 2)) + prior_residual(state.focal, loss) ** 2))


def point_costs(state: Bundle, data: Observations, loss: RobustLoss) -> Array:
    """Robust cost [H, P] of the points of each state, without that of the focal length."""
    squared = (residuals(state, data) ** 2).sum(-1) / loss.scale**2
    return np.asarray(loss.scale**2 * np.log1p(squared).sum(-1))


def brought_forward(state: Bundle, data: Observations, loss: RobustLoss) -> Bundle:
    """Move points that lie behind a camera where they are visible to far away in front, where that costs less.

    Rays to a far point may meet behind the cameras by a little noise. There, no step leads back to the front, and the
    lasting cost of a few such points makes a wrong scene with more parallax cheaper than the right one. The middle
    camera is the origin, and the median depth the unit of length, as in `adjust`.
    """
    depth = np.einsum("hvi,hpi->hpv", state.w2c[..., 2, :3], state.points) + state.w2c[:, None, :, 2, 3]
    behind = ((depth <= MIN_DEPTH) & data.visible).any(-1)
    if not behind.any():
        return state
    chosen = np.flatnonzero(behind.any(0))
    part, few = data.take(chosen), Bundle(state.w2c, state.points[:, chosen], state.focal)
    directions = mean_rays(few, part)
    points, costs = few.points.copy(), point_costs(few, part, loss)
    for far in FAR_DEPTHS:
        trial = Bundle(few.w2c, far * directions, few.focal)
        trial_costs = point_costs(trial, part, loss)
        better = behind[:, chosen] & (trial_costs < costs)
        points[better], costs[better] = trial.points[better], trial_costs[better]
    all_points = state.points.copy()
    all_points[:, chosen] = points
    return Bundle(state.w2c, all_points, state.focal)


def mean_rays(state: Bundle, data: Observations) -> Array:
    """Unit vectors [H, P, 3] in the world's axes: the mean direction in which each point is observed."""
    slopes = data.offsets / state.focal[:, None, None, None]
    rays = np.concatenate([slopes, np.ones_like(slopes[..., :1])], axis=-1)
    rays = rays / np.linalg.norm(rays, axis=-1, keepdims=True) * data.visible[..., None]
    world = np.einsum("hvji,hpvj->hpi", state.w2c[..., :3, :3], rays)
    return np.asarray(world / np.linalg.norm(world, axis=-1, keepdims=True))


def prior_residual(focal: Array, loss: RobustLoss) -> Array:
    """Distance of the focal lengths [H] from the prior, in spreads, on a logarithmic scale."""
    if loss.focal_spread == 0:
        return np.zeros_like(focal)
    return np.asarray(np.log(focal / loss.focal_prior) / loss.focal_spread)


def adjust(state: Bundle, data: Observations, loss: RobustLoss, iterations: int, tolerance: float = 1e-6) -> Bundle:
    """Minimise the robust cost of all H states by Levenberg-Marquardt; the middle camera stays fixed.

    A state stops when a step lowers its cost by a smaller share than ``tolerance``; all stop after ``iterations``.
    """
    state = relative_to_middle(state)
    w2c, points, focal = state.w2c.copy(), state.points.copy(), state.focal.copy()
    cost, damping = cost_of(state, data, loss), np.full(len(focal), DAMPING)
    active = np.arange(len(focal))
    for step in range(iterations):
        current = Bundle(w2c[active], points[active], focal[active])
        if step % FORWARD_EVERY == 0 and (forward := brought_forward(current, data, loss)) is not current:
            points[active], cost[active], current = forward.points, cost_of(forward, data, loss), forward
        trial = apply_step(current, *damped_step(current, data, loss, damping[active]))
        gain = cost[active] - cost_of(trial, data, loss)
        better = gain > 0
        stopping = better & (gain < tolerance * cost[active]) | (damping[active] > MAX_DAMPING)
        accepted = active[better]
        w2c[accepted], points[accepted], focal[accepted] = trial.w2c[better], trial.points[better], trial.focal[better]
        cost[accepted] -= gain[better]
        damping[active] *= np.where(better, 0.1, 4.0)
        active = active[~stopping]
        if not len(active):
            break
    return Bundle(w2c, points, focal, cost)


def damped_step(state: Bundle, data: Observations, loss: RobustLoss, damping: Array) -> tuple[Array, Array, Array]:
    """One damped Gauss-Newton step: poses [H, V, 6] (rotation vector, shift), points [H, P, 3], log focal [H].

    Points are eliminated by the Schur complement, so that the system has 6 V + 1 unknowns.
    """
    count, views = state.w2c.shape[:2]
    j_camera, j_point, error = linearise(state, data, loss)
    normal, right = camera_system(j_camera, error)
    if loss.focal_spread:
        normal[:, -1, -1] += (loss.scale / loss.focal_spread) ** 2
        right[:, -1] += loss.scale**2 / loss.focal_spread * prior_residual(state.focal, loss)
    points_t = j_point.reshape(count, j_point.shape[1], -1, 3).swapaxes(-1, -2)
    block = points_t @ points_t.swapaxes(-1, -2)
    inverse = np.linalg.inv(damped(block, damping[:, None]))
    cross = point_camera_blocks(j_point, j_camera)
    weighted_cross = inverse @ cross
    weighted_error = inverse @ (points_t @ error.reshape(count, error.shape[1], -1, 1))
    cross_t = cross.reshape(count, -1, cross.shape[-1]).swapaxes(-1, -2)
    reduced = damped(normal, damping) - cross_t @ weighted_cross.reshape(count, -1, cross.shape[-1])
    solution = np.linalg.solve(reduced, cross_t @ weighted_error.reshape(count, -1, 1) - right[..., None])
    point_step = -(weighted_error + weighted_cross @ solution[:, None])[..., 0]
    return solution[:, :-1, 0].reshape(count, views, 6), point_step, solution[:, -1, 0]


def point_camera_blocks(j_point: Array, j_camera: Array) -> Array:
    """Mixed blocks [H, P, 3, 6 V + 1] of the normal matrix."""
    count, points, views = j_point.shape[:3]
    by_view = j_point[..., 0, :, None] * j_camera[..., 0, None, :]
    by_view += j_point[..., 1, :, None] * j_camera[..., 1, None, :]
    poses = by_view[..., :6].transpose(0, 1, 3, 2, 4).reshape(count, points, 3, 6 * views)
    return np.concatenate([poses, by_view[..., 6:].sum(2)], axis=-1)


def camera_system(j_camera: Array, error: Array) -> tuple[Array, Array]:
    """Normal matrix [H, 6 V + 1, 6 V + 1] and right-hand side [H, 6 V + 1] of the cameras and the focal length."""
    count, _, views, _, _ = j_camera.shape
    rows = j_camera.transpose(0, 2, 1, 3, 4).reshape(count, views, -1, 7)
    blocks = rows.swapaxes(-1, -2) @ rows
    right = (rows.swapaxes(-1, -2) @ error.transpose(0, 2, 1, 3).reshape(count, views, -1, 1))[..., 0]
    pose = np.arange(6 * views).reshape(views, 6)
    normal = np.zeros((count, 6 * views + 1, 6 * views + 1))
    normal[:, pose[:, :, None], pose[:, None, :]] = blocks[..., :6, :6]
    normal[:, :-1, -1] = normal[:, -1, :-1] = blocks[..., :6, 6].reshape(count, -1)
    normal[:, -1, -1] = blocks[..., 6, 6].sum(1)
    return normal, np.concatenate([right[..., :6].reshape(count, -1), right[..., 6].sum(1)[:, None]], axis=1)


def linearise(state: Bundle, data: Observations, loss: RobustLoss) -> tuple[Array, Array, Array]:
    """Weighted Jacobians by camera [H, P, V, 2, 7] (rotation, shift, log focal), by point [..., 3]; errors [..., 2].

    Weights are those of iteratively reweighted least squares for Cauchy's loss. The middle camera has no
    derivative, which fixes the gauge except its scale; the damping takes care of the scale.
    """
    offsets, rotated, camera = project(state)
    error = (offsets - data.offsets) * data.visible[..., None]
    weight = np.sqrt(1 / (1 + (error**2).sum(-1, keepdims=True) / loss.scale**2)) * data.visible[..., None]
    j_point_camera = np.zeros((*error.shape, 3))
    per_depth = state.focal[:, None, None] / camera[..., 2]
    j_point_camera[..., 0, 0] = j_point_camera[..., 1, 1] = per_depth
    j_point_camera[..., 2] = -offsets / camera[..., 2:]
    j_point_camera *= weight[..., None]
    j_camera = np.concatenate(
        [np.cross(rotated[..., None, :], j_point_camera), j_point_camera, (offsets * weight)[..., None]], axis=-1
    )
    j_camera[:, :, j_camera.shape[2] // 2, :, :6] = 0
    if loss.focal_spread == 0:
        j_camera[..., 6] = 0
    return j_camera, j_point_camera @ state.w2c[:, None, :, :3, :3], error * weight


def damped(normal: Array, damping: Array) -> Array:
    """Add Marquardt's damping, relative to the diagonal, to matrices [..., N, N]."""
    diagonal = np.diagonal(normal, axis1=-2, axis2=-1)
    floor = 1e-9 * diagonal.max(-1, keepdims=True) + 1e-12
    return np.asarray(normal + np.eye(normal.shape[-1]) * (damping[..., None] * diagonal + floor)[..., None, :])


def apply_step(state: Bundle, camera: Array, point: Array, log_focal: Array) -> Bundle:
    """Apply a step: its rotations multiply those of the cameras from the left."""
    w2c = state.w2c.copy()
    w2c[..., :3, :3] = rotation_exp(camera[..., :3]) @ state.w2c[..., :3, :3]
    w2c[..., :3, 3] += camera[..., 3:]
    return Bundle(w2c, state.points + point, state.focal * np.exp(np.clip(log_focal, -0.5, 0.5)))


def triangulated(state: Bundle, data: Observations) -> Bundle:
    """Replace the points of each state by the least-squares intersections of their rays."""
    rotation, translation = state.w2c[..., :3, :3], state.w2c[..., :3, 3]
    centres = -np.einsum("hvji,hvj->hvi", rotation, translation)
    slopes = data.offsets / state.focal[:, None, None, None]
    rays = np.concatenate([slopes, np.ones_like(slopes[..., :1])], axis=-1)
    rays = np.einsum("hvji,hpvj->hpvi", rotation, rays / np.linalg.norm(rays, axis=-1, keepdims=True))
    across = (np.eye(3) - rays[..., :, None] * rays[..., None, :]) * data.visible[..., None, None]
    normal = across.sum(2) + 1e-12 * np.eye(3)
    points = np.linalg.solve(normal, np.einsum("hpvij,hvj->hpi", across, centres)[..., None])[..., 0]
    return Bundle(state.w2c, points, state.focal)


def parallax_deg(state: Bundle, data: Observations) -> Array:
    """The widest angle [P] between the rays to each point (H = 1), over the frames where it is visible."""
    centres = -np.einsum("vji,vj->vi", state.w2c[0, :, :3, :3], state.w2c[0, :, :3, 3])
    rays = state.points[0][:, None] - centres
    rays = rays / np.linalg.norm(rays, axis=-1, keepdims=True) * data.visible[..., None]
    cosine = rays @ rays.swapaxes(-1, -2)
    both = data.visible[:, :, None] & data.visible[:, None, :]
    return np.asarray(np.degrees(np.arccos(np.clip(np.where(both, cosine, 1.0), -1, 1))).max((1, 2)))
