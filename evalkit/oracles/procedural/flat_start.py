"""A first state without a first pair: cameras that only rotate, points on a sphere, then relief by adjustment.

Short clips can be solved from there (Yu and Gallup, 3D reconstruction from accidental motion, 2014): it does not need
two frames that are accurate enough on their own, which soft or noisy frames are not.
"""

from __future__ import annotations

import numpy as np

from evalkit.oracles.sfm.bundle import Bundle, Observations, RobustLoss, adjust, triangulated
from evalkit.oracles.sfm.rotations import Array, closest_rotation, unit_rays
from evalkit.oracles.sfm.settings import FocalSettings
from evalkit.oracles.sfm.two_view import Graph

SCALES_PX = (16.0, 4.0, 1.0)  # of the robust loss, one after the other: at first all residuals are large
STEPS = 30
POINTS = 250  # those visible in most frames


def flat_start(data: Observations, side: int, settings: FocalSettings) -> Bundle:
    """Estimate a rough state (H = 1) at the focal length of the prior."""
    subset = data.take(np.argsort(-data.visible.sum(1), kind="stable")[:POINTS])
    focal = settings.focal_prior * side
    rays = unit_rays(subset.offsets, np.array(focal))
    rotations = chained_rotations(rays, subset.visible)
    directions = np.einsum("vji,pvj->pvi", rotations, rays) * subset.visible[..., None]
    w2c = np.tile(np.eye(4), (len(rotations), 1, 1))
    w2c[:, :3, :3] = rotations
    points = directions.sum(1) / subset.visible.sum(1)[:, None]
    state = Bundle(w2c[None], points[None], np.array([focal]))
    for scale in SCALES_PX:
        state = adjust(state, subset, RobustLoss(scale, focal, 0.0), STEPS, 1e-4)
    return triangulated(state, data)


def verified_observations(keypoints: list[Array], graph: Graph, side: int) -> Observations:
    """Observations that were verified in some pair of frames, of the points visible in two frames or more."""
    visible = np.zeros((len(keypoints[0]), len(keypoints)), bool)
    for (i, j), (_, geometry) in graph.items():
        inliers = geometry.inlier_matches
        visible[inliers[:, 0], i] = visible[inliers[:, 1], j] = True
    offsets = np.stack(keypoints, axis=1) - side / 2
    kept = visible.sum(1) >= 2
    return Observations(offsets[kept] * visible[kept][..., None], visible[kept])


def chained_rotations(rays: Array, visible: Array) -> Array:
    """Rotations [V, 3, 3] that best take the middle frame's rays to each frame's, as if there were no parallax.

    Each frame is compared with its neighbour, from the middle outwards.

    Args:
        rays: unit rays [P, V, 3] in camera axes.
        visible: [P, V].
    """
    middle, views = visible.shape[1] // 2, visible.shape[1]
    rotations = np.tile(np.eye(3), (views, 1, 1))
    for frame in (*range(middle - 1, -1, -1), *range(middle + 1, views)):
        neighbour = frame + (1 if frame < middle else -1)
        both = visible[:, frame] & visible[:, neighbour]
        rotations[frame] = closest_rotation(rays[both, neighbour], rays[both, frame]) @ rotations[neighbour]
    return rotations
