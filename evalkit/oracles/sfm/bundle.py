"""Bundle adjustment of short clips in numpy: robust, one shared focal length with a prior, many starts at once.

With 5 frames a few degrees apart, the reprojection error has several minima: the relief of a nearly affine view can
be turned inside out at little cost (the Necker cube), and a wrong focal length can hide in the relief. So the
estimate is restarted from each of those (`starts`) and the cheapest end wins. H is the number of starts, P of points,
V of frames; ``w2c`` are [H, V, 4, 4], ``points`` [H, P, 3], ``focal`` [H] in pixels, ``seen`` [P, V] says which
point is observed where, ``offsets`` [P, V, 2] are the observed positions in pixels from the principal point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MIN_DEPTH = 1e-3  # in units of the median depth of a scene; nearer points count as being there
DAMPING = 1e-3  # Levenberg-Marquardt, at the start
MAX_DAMPING = 1e6  # steps that short lead nowhere


@dataclass(frozen=True)
class Observations:
    """What the frames show: ``offsets`` [P, V, 2] where ``seen`` [P, V]."""

    offsets: Array
    seen: Array

    def take(self, index: Array) -> Observations:
        """Return those of some points."""
        return Observations(self.offsets[index], self.seen[index])


@dataclass(frozen=True)
class Bundle:
    """H states of a reconstruction, each with its cost where that is known."""

    w2c: Array
    points: Array
    focal: Array
    cost: Array | None = None

    def take(self, index: Any) -> Bundle:
        """Return some of the H states."""
        return Bundle(self.w2c[index], self.points[index], self.focal[index])


@dataclass(frozen=True)
class Robust:
    """How costs are counted: Cauchy's loss at ``scale`` pixels, and a normal prior on the logarithm of the focal
    length, whose spread ``focal_spread`` weighs as much as one residual of ``scale`` (0 keeps the focal length)."""

    scale: float
    focal_prior: float
    focal_spread: float


def starts(state: Bundle, ratios: tuple[float, ...]) -> Bundle:
    """Return ``state`` (H = 1) at ``ratios`` of its focal length, each with its relief as it is and inside out."""
    reliefs = [state, turned_inside_out(state)]
    states = [at_focal_ratio(relief, ratio) for ratio in ratios for relief in reliefs]
    return Bundle(*(np.concatenate([getattr(s, name) for s in states]) for name in ("w2c", "points", "focal")))


def turned_inside_out(state: Bundle) -> Bundle:
    """Mirror the points in depth about their median, as seen by the middle frame, and the frames' turns with them.

    In an affine view both explain the same pixels: the rotations about the image axes change sign, and each
    frame keeps seeing the median point where it saw it (the Necker reversal).
    """
    centred = seen_from_middle(state)
    median = np.median(centred.points, axis=1)
    depth = centred.points[..., 2]
    mirrored = np.maximum(2 * median[:, None, 2] - depth, 0.1 * median[:, None, 2])
    points = np.concatenate([centred.points[..., :2] * (mirrored / depth)[..., None], mirrored[..., None]], axis=-1)
    w2c = centred.w2c.copy()
    w2c[..., :3, :3] = exponential(logarithm(centred.w2c[..., :3, :3]) * np.array([-1.0, -1.0, 1.0]))
    turn = centred.w2c[..., :3, :3] - w2c[..., :3, :3]
    w2c[..., :3, 3] += np.einsum("hvij,hj->hvi", turn, median)
    return Bundle(w2c, points, centred.focal)


def at_focal_ratio(state: Bundle, ratio: float) -> Bundle:
    """Multiply the focal length and move the scene away by as much, which keeps its relief (a dolly zoom).

    Every frame goes on seeing the median point where it saw it.
    """
    centred = seen_from_middle(state)
    median = np.median(centred.points, axis=1)
    depth = np.einsum("hvi,hi->hv", centred.w2c[..., 2, :3], median) + centred.w2c[..., 2, 3]
    away = (ratio - 1) * median[:, 2]
    points, w2c = centred.points.copy(), centred.w2c.copy()
    points[..., 2] += away[:, None]
    w2c[..., 2, 3] += (ratio - 1) * depth
    w2c[..., :3, 3] -= centred.w2c[..., :3, 2] * away[:, None, None]
    return Bundle(w2c, points, centred.focal * ratio)


def seen_from_middle(state: Bundle) -> Bundle:
    """Express the state in the frame of its middle camera, with the median depth there as the unit of length."""
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
    turned = np.einsum("hvij,hpj->hpvi", state.w2c[..., :3, :3], state.points, optimize=True)
    camera = turned + state.w2c[:, None, :, :3, 3]
    camera[..., 2] = np.maximum(camera[..., 2], MIN_DEPTH)
    return state.focal[:, None, None, None] * camera[..., :2] / camera[..., 2:], turned, camera


def residuals(state: Bundle, data: Observations) -> Array:
    """Reprojection errors [H, P, V, 2] in pixels, 0 where nothing is observed."""
    return (project(state)[0] - data.offsets) * data.seen[..., None]


def cost_of(state: Bundle, data: Observations, how: Robust) -> Array:
    """Robust cost [H] of each state, in squared pixels."""
    squared = (residuals(state, data) ** 2).sum(-1) / how.scale**2
    return np.asarray(how.scale**2 * (np.log1p(squared).sum((1, 2)) + prior_residual(state.focal, how) ** 2))


def prior_residual(focal: Array, how: Robust) -> Array:
    """How many spreads the focal lengths [H] lie from the prior, on a logarithmic scale."""
    if how.focal_spread == 0:
        return np.zeros_like(focal)
    return np.asarray(np.log(focal / how.focal_prior) / how.focal_spread)


def adjust(state: Bundle, data: Observations, how: Robust, iterations: int, tolerance: float = 1e-6) -> Bundle:
    """Minimise the robust cost of all H states by Levenberg-Marquardt, the middle camera staying where it is.

    A state stops once its cost falls by less than ``tolerance`` of it in a step, and all stop after ``iterations``.
    """
    state = seen_from_middle(state)
    w2c, points, focal = state.w2c.copy(), state.points.copy(), state.focal.copy()
    cost, damping = cost_of(state, data, how), np.full(len(focal), DAMPING)
    active = np.arange(len(focal))
    for _ in range(iterations):
        now = Bundle(w2c[active], points[active], focal[active])
        trial = moved(now, *step(now, data, how, damping[active]))
        gain = cost[active] - cost_of(trial, data, how)
        better = gain > 0
        stopping = better & (gain < tolerance * cost[active]) | (damping[active] > MAX_DAMPING)
        taken = active[better]
        w2c[taken], points[taken], focal[taken] = trial.w2c[better], trial.points[better], trial.focal[better]
        cost[taken] -= gain[better]
        damping[active] *= np.where(better, 0.1, 4.0)
        active = active[~stopping]
        if not len(active):
            break
    return Bundle(w2c, points, focal, cost)


def step(state: Bundle, data: Observations, how: Robust, damping: Array) -> tuple[Array, Array, Array]:
    """One damped Gauss-Newton step: poses [H, V, 6] (turn, shift), points [H, P, 3], log focal length [H].

    Points are eliminated by the Schur complement, so that the system has 6 V + 1 unknowns.
    """
    count, views = state.w2c.shape[:2]
    j_camera, j_point, error = linearise(state, data, how)
    normal, right = camera_system(j_camera, error)
    if how.focal_spread:
        normal[:, -1, -1] += (how.scale / how.focal_spread) ** 2
        right[:, -1] += how.scale**2 / how.focal_spread * prior_residual(state.focal, how)
    points_t = j_point.reshape(count, j_point.shape[1], -1, 3).swapaxes(-1, -2)
    block = points_t @ points_t.swapaxes(-1, -2)
    inverse = np.linalg.inv(damped(block, damping[:, None]))
    cross = point_camera_blocks(j_point, j_camera)
    lifted = inverse @ cross
    pulled = inverse @ (points_t @ error.reshape(count, error.shape[1], -1, 1))
    cross_t = cross.reshape(count, -1, cross.shape[-1]).swapaxes(-1, -2)
    reduced = damped(normal, damping) - cross_t @ lifted.reshape(count, -1, cross.shape[-1])
    solution = np.linalg.solve(reduced, cross_t @ pulled.reshape(count, -1, 1) - right[..., None])
    move = -(pulled + lifted @ solution[:, None])[..., 0]
    return solution[:, :-1, 0].reshape(count, views, 6), move, solution[:, -1, 0]


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


def linearise(state: Bundle, data: Observations, how: Robust) -> tuple[Array, Array, Array]:
    """Weighted Jacobians by camera [H, P, V, 2, 7] (turn, shift, log focal) and point [..., 3], and errors [..., 2].

    Weights are those of iteratively reweighted least squares for Cauchy's loss. The middle camera has no
    derivative, which fixes all of the gauge but scale; the damping deals with that.
    """
    offsets, turned, camera = project(state)
    error = (offsets - data.offsets) * data.seen[..., None]
    weight = np.sqrt(1 / (1 + (error**2).sum(-1, keepdims=True) / how.scale**2)) * data.seen[..., None]
    j_point_camera = np.zeros((*error.shape, 3))
    per_depth = state.focal[:, None, None] / camera[..., 2]
    j_point_camera[..., 0, 0] = j_point_camera[..., 1, 1] = per_depth
    j_point_camera[..., 2] = -offsets / camera[..., 2:]
    j_point_camera *= weight[..., None]
    j_camera = np.concatenate(
        [np.cross(turned[..., None, :], j_point_camera), j_point_camera, (offsets * weight)[..., None]], axis=-1
    )
    j_camera[:, :, j_camera.shape[2] // 2, :, :6] = 0
    if how.focal_spread == 0:
        j_camera[..., 6] = 0
    return j_camera, j_point_camera @ state.w2c[:, None, :, :3, :3], error * weight


def damped(normal: Array, damping: Array) -> Array:
    """Add Marquardt's damping, relative to the diagonal, to matrices [..., N, N]."""
    diagonal = np.diagonal(normal, axis1=-2, axis2=-1)
    floor = 1e-9 * diagonal.max(-1, keepdims=True) + 1e-12
    return np.asarray(normal + np.eye(normal.shape[-1]) * (damping[..., None] * diagonal + floor)[..., None, :])


def moved(state: Bundle, camera: Array, point: Array, log_focal: Array) -> Bundle:
    """Apply a step: turns multiply rotations from the left."""
    w2c = state.w2c.copy()
    w2c[..., :3, :3] = exponential(camera[..., :3]) @ state.w2c[..., :3, :3]
    w2c[..., :3, 3] += camera[..., 3:]
    return Bundle(w2c, state.points + point, state.focal * np.exp(np.clip(log_focal, -0.5, 0.5)))


def triangulated(state: Bundle, data: Observations) -> Bundle:
    """Replace the points (H = 1) by the midpoints of their rays: the least-squares point of P sets of lines."""
    rotation, translation = state.w2c[0, :, :3, :3], state.w2c[0, :, :3, 3]
    centres = -np.einsum("vji,vj->vi", rotation, translation)
    rays = np.concatenate([data.offsets / state.focal[0], np.ones_like(data.offsets[..., :1])], axis=-1)
    rays = np.einsum("vji,pvj->pvi", rotation, rays / np.linalg.norm(rays, axis=-1, keepdims=True))
    across = (np.eye(3) - rays[..., :, None] * rays[..., None, :]) * data.seen[..., None, None]
    normal = across.sum(1) + 1e-12 * np.eye(3)
    points = np.linalg.solve(normal, np.einsum("pvij,vj->pi", across, centres)[..., None])[..., 0]
    return Bundle(state.w2c, points[None], state.focal)


def parallax_deg(state: Bundle, data: Observations) -> Array:
    """The widest angle [P] under which each point (H = 1) is seen from the frames that see it."""
    centres = -np.einsum("vji,vj->vi", state.w2c[0, :, :3, :3], state.w2c[0, :, :3, 3])
    rays = state.points[0][:, None] - centres
    rays = rays / np.linalg.norm(rays, axis=-1, keepdims=True) * data.seen[..., None]
    cosine = rays @ rays.swapaxes(-1, -2)
    both = data.seen[:, :, None] & data.seen[:, None, :]
    return np.asarray(np.degrees(np.arccos(np.clip(np.where(both, cosine, 1.0), -1, 1))).max((1, 2)))


def exponential(turn: Array) -> Array:
    """Rotation matrices [..., 3, 3] of rotation vectors [..., 3] (Rodrigues)."""
    angle = np.linalg.norm(turn, axis=-1)[..., None, None]
    cross = np.cross(np.eye(3), turn[..., None, :]).swapaxes(-1, -2) * -1
    sine = np.sinc(angle / np.pi)
    versine = np.sinc(angle / (2 * np.pi)) ** 2 / 2
    return np.asarray(np.eye(3) + sine * cross + versine * (cross @ cross))


def logarithm(rotation: Array) -> Array:
    """Rotation vectors [..., 3] of rotations [..., 3, 3] by less than 180 degrees."""
    skew = (
        np.stack(
            [
                rotation[..., 2, 1] - rotation[..., 1, 2],
                rotation[..., 0, 2] - rotation[..., 2, 0],
                rotation[..., 1, 0] - rotation[..., 0, 1],
            ],
            axis=-1,
        )
        / 2
    )
    sine = np.linalg.norm(skew, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (np.trace(rotation, axis1=-2, axis2=-1)[..., None] - 1) / 2)
    return np.asarray(skew * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 1.0))
