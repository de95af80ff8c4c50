"""Starting states of the bundle adjustment: reversed relief and other focal lengths.

With 5 frames a few degrees apart, the reprojection error has several minima: the relief of a nearly affine view can be
reversed in depth at little cost (the Necker cube), and a wrong focal length can be compensated by the relief. So the
estimate is restarted from each of those, and the end with the lowest cost is kept.
"""

from __future__ import annotations

import numpy as np

from evalkit.oracles.sfm.bundle import Bundle, relative_to_middle
from evalkit.oracles.sfm.rotations import rotation_exp, rotation_log


def starts(state: Bundle, ratios: tuple[float, ...]) -> Bundle:
    """Return ``state`` (H = 1) at ``ratios`` of its focal length, each with its relief as it is and reversed."""
    reliefs = [state, relief_reversed(state)]
    states = [at_focal_ratio(relief, ratio) for ratio in ratios for relief in reliefs]
    return Bundle(*(np.concatenate([getattr(s, name) for s in states]) for name in ("w2c", "points", "focal")))


def relief_reversed(state: Bundle) -> Bundle:
    """Mirror the points in depth about their median, in the axes of the middle frame, and the rotations with them.

    In an affine view both explain the same pixels: the rotations about the image axes change sign, and each frame keeps
    the median point at its pixel (the Necker reversal).
    """
    centred = relative_to_middle(state)
    median = np.median(centred.points, axis=1)
    depth = centred.points[..., 2]
    mirrored = np.maximum(2 * median[:, None, 2] - depth, 0.1 * median[:, None, 2])
    points = np.concatenate([centred.points[..., :2] * (mirrored / depth)[..., None], mirrored[..., None]], axis=-1)
    w2c = centred.w2c.copy()
    w2c[..., :3, :3] = rotation_exp(rotation_log(centred.w2c[..., :3, :3]) * np.array([-1.0, -1.0, 1.0]))
    change = centred.w2c[..., :3, :3] - w2c[..., :3, :3]
    w2c[..., :3, 3] += np.einsum("hvij,hj->hvi", change, median)
    return Bundle(w2c, points, centred.focal)


def at_focal_ratio(state: Bundle, ratio: float) -> Bundle:
    """Multiply the focal length and move the scene away by as much, which keeps its relief (a dolly zoom).

    Every frame keeps the median point at its pixel.
    """
    centred = relative_to_middle(state)
    median = np.median(centred.points, axis=1)
    depth = np.einsum("hvi,hi->hv", centred.w2c[..., 2, :3], median) + centred.w2c[..., 2, 3]
    distance = (ratio - 1) * median[:, 2]
    points, w2c = centred.points.copy(), centred.w2c.copy()
    points[..., 2] += distance[:, None]
    w2c[..., 2, 3] += (ratio - 1) * depth
    w2c[..., :3, 3] -= centred.w2c[..., :3, 2] * distance[:, None, None]
    return Bundle(w2c, points, centred.focal * ratio)
