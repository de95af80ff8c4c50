"""What a turning camera alone can explain: nothing then tells where it went, nor with what lens."""

from __future__ import annotations

import numpy as np

from evalkit.oracles.sfm.bundle import Array
from evalkit.oracles.sfm.reconstruction import Failure, Graph, Lens

TURNING_PX = 0.75  # a quarter of the matches is off by more than this from any turn, in some pair, if the camera moves
FOCALS = 24  # tried between the shortest and the longest


def refuse_turning(keypoints: list[Array], graph: Graph, side: int, lens: Lens) -> None:
    """Raise Failure for a clip that a camera makes by turning where it stands."""
    focals = np.geomspace(lens.focal_min, lens.focal_max, FOCALS) * side
    parallax = max(
        turning_error(keypoints[i][inliers[:, 0]] - side / 2, keypoints[j][inliers[:, 1]] - side / 2, focals)
        for (i, j), (_, geometry) in graph.items()
        for inliers in (geometry.inlier_matches,)
    )
    if parallax < TURNING_PX:
        raise Failure(f"the camera only turns (parallax {parallax:.2f} pixels)")


def turning_error(a: Array, b: Array, focals: Array) -> float:
    """How far, in pixels, three quarters of points ``b`` [M, 2] lie from ``a`` turned, at the best of ``focals``."""
    from_a, from_b = (rays(points[None], focals[:, None, None]) for points in (a, b))
    turned = from_a @ rotation_between(from_a, from_b).swapaxes(-1, -2)
    places = turned[..., :2] / np.maximum(turned[..., 2:], 1e-3) * focals[:, None, None]
    return float(np.quantile(np.linalg.norm(places - b, axis=-1), 0.75, axis=1).min())


def rays(offsets: Array, focal: Array) -> Array:
    """Unit rays [..., 3] of offsets [..., 2] in pixels from the principal point."""
    slopes = offsets / focal
    directions = np.concatenate([slopes, np.ones_like(slopes[..., :1])], axis=-1)
    return np.asarray(directions / np.linalg.norm(directions, axis=-1, keepdims=True))


def rotation_between(a: Array, b: Array) -> Array:
    """The rotations [..., 3, 3] that best take rays ``a`` [..., M, 3] to ``b`` (Kabsch 1976)."""
    u, _, vt = np.linalg.svd(b.swapaxes(-1, -2) @ a)
    flip = np.ones_like(u[..., :1, :])
    flip[..., 2] = np.linalg.det(u @ vt)[..., None]
    return np.asarray((u * flip) @ vt)
