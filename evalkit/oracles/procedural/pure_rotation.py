"""Detects clips that a rotating camera explains: they show neither where the camera moved nor its focal length."""

from __future__ import annotations

import numpy as np

from evalkit.oracles.sfm.rotations import Array, closest_rotation, unit_rays
from evalkit.oracles.sfm.settings import Failure, FocalSettings
from evalkit.oracles.sfm.two_view import Graph

MIN_PARALLAX_PX = 0.75  # if the camera moves, a quarter of the matches of some pair deviates by more from any rotation
FOCALS = 24  # focal lengths tried between the shortest and the longest


def refuse_pure_rotation(keypoints: list[Array], graph: Graph, side: int, settings: FocalSettings) -> None:
    """Raise Failure for a clip of which all pairs of frames agree with a rotation of the camera."""
    focals = np.geomspace(settings.focal_min, settings.focal_max, FOCALS) * side
    parallax_px = max(
        rotation_error(keypoints[i][inliers[:, 0]] - side / 2, keypoints[j][inliers[:, 1]] - side / 2, focals)
        for (i, j), (_, geometry) in graph.items()
        for inliers in (geometry.inlier_matches,)
    )
    if parallax_px < MIN_PARALLAX_PX:
        raise Failure(f"the camera only turns (parallax {parallax_px:.2f} pixels)")


def rotation_error(a: Array, b: Array, focals: Array) -> float:
    """Distance in pixels of points ``b`` [M, 2] from rotated ``a``: the 75 % quantile at the best of ``focals``."""
    rays_a, rays_b = (unit_rays(points[None], focals[:, None, None]) for points in (a, b))
    rotated = rays_a @ closest_rotation(rays_a, rays_b).swapaxes(-1, -2)
    pixels = rotated[..., :2] / np.maximum(rotated[..., 2:], 1e-3) * focals[:, None, None]
    return float(np.quantile(np.linalg.norm(pixels - b, axis=-1), 0.75, axis=1).min())
