"""A reconstruction without a first pair: cameras that only turn, points on a sphere, and relief by adjustment.

Short clips can be solved from there (Yu and Gallup, 3D reconstruction from accidental motion, 2014): it needs no two
frames to be accurate enough on their own, which soft or noisy frames are not.
"""

from __future__ import annotations

import numpy as np

from evalkit.oracles.procedural.turning import rays, rotation_between
from evalkit.oracles.sfm.bundle import Array, Bundle, Observations, Robust, adjust, triangulated
from evalkit.oracles.sfm.reconstruction import Graph, Lens

SCALES_PX = (16.0, 4.0, 1.0)  # of the robust loss, one after the other: at first nothing fits
STEPS = 30
POINTS = 250  # seen by most frames


def flat_start(data: Observations, side: int, lens: Lens) -> Bundle:
    """Estimate a rough state (H = 1) at the focal length of the prior."""
    few = data.take(np.argsort(-data.seen.sum(1), kind="stable")[:POINTS])
    focal = lens.focal_prior * side
    seen_along = rays(few.offsets, np.array(focal))
    rotations = turns(seen_along, few.seen)
    directions = np.einsum("vji,pvj->pvi", rotations, seen_along) * few.seen[..., None]
    w2c = np.tile(np.eye(4), (len(rotations), 1, 1))
    w2c[:, :3, :3] = rotations
    points = directions.sum(1) / few.seen.sum(1)[:, None]
    state = Bundle(w2c[None], points[None], np.array([focal]))
    for scale in SCALES_PX:
        state = adjust(state, few, Robust(scale, focal, 0.0), STEPS, 1e-4)
    return triangulated(state, data)


def verified_observations(keypoints: list[Array], graph: Graph, side: int) -> Observations:
    """What has been verified in some pair of frames, of the points that two frames or more see."""
    seen = np.zeros((len(keypoints[0]), len(keypoints)), bool)
    for (i, j), (_, geometry) in graph.items():
        inliers = geometry.inlier_matches
        seen[inliers[:, 0], i] = seen[inliers[:, 1], j] = True
    offsets = np.stack(keypoints, axis=1) - side / 2
    kept = seen.sum(1) >= 2
    return Observations(offsets[kept] * seen[kept][..., None], seen[kept])


def turns(along: Array, seen: Array) -> Array:
    """Rotations [V, 3, 3] that best take the middle frame's rays to each frame's, from rays [P, V, 3], parallax or not.

    Each frame is turned against its neighbour, from the middle outwards.
    """
    middle, views = seen.shape[1] // 2, seen.shape[1]
    rotations = np.tile(np.eye(3), (views, 1, 1))
    for frame in (*range(middle - 1, -1, -1), *range(middle + 1, views)):
        neighbour = frame + (1 if frame < middle else -1)
        both = seen[:, frame] & seen[:, neighbour]
        rotations[frame] = rotation_between(along[both, neighbour], along[both, frame]) @ rotations[neighbour]
    return rotations
