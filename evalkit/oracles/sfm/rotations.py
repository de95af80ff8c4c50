"""Rotation vectors and matrices in numpy, for worker processes that must not import torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def rotation_exp(rotvec: Array) -> Array:
    """Rotation matrices [..., 3, 3] of rotation vectors [..., 3] in radians (Rodrigues)."""
    angle = np.linalg.norm(rotvec, axis=-1)[..., None, None]
    cross = np.cross(np.eye(3), rotvec[..., None, :]).swapaxes(-1, -2) * -1
    sine = np.sinc(angle / np.pi)
    versine = np.sinc(angle / (2 * np.pi)) ** 2 / 2
    return np.asarray(np.eye(3) + sine * cross + versine * (cross @ cross))


def rotation_log(rotation: Array) -> Array:
    """Rotation vectors [..., 3] in radians of rotations [..., 3, 3] by less than 180 degrees."""
    differences = [
        rotation[..., 2, 1] - rotation[..., 1, 2],
        rotation[..., 0, 2] - rotation[..., 2, 0],
        rotation[..., 1, 0] - rotation[..., 0, 1],
    ]
    skew = np.stack(differences, axis=-1) / 2
    sine = np.linalg.norm(skew, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (np.trace(rotation, axis1=-2, axis2=-1)[..., None] - 1) / 2)
    return np.asarray(skew * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 1.0))


def closest_rotation(a: Array, b: Array) -> Array:
    """The rotations [..., 3, 3] that best take unit rays ``a`` [..., M, 3] to ``b`` (Kabsch 1976)."""
    u, _, vt = np.linalg.svd(b.swapaxes(-1, -2) @ a)
    flip = np.ones_like(u[..., :1, :])
    flip[..., 2] = np.linalg.det(u @ vt)[..., None]
    return np.asarray((u * flip) @ vt)


def unit_rays(offsets: Array, focal: Array) -> Array:
    """Unit rays [..., 3] of offsets [..., 2] in pixels from the principal point; ``focal`` in pixels."""
    slopes = offsets / focal
    directions = np.concatenate([slopes, np.ones_like(slopes[..., :1])], axis=-1)
    return np.asarray(directions / np.linalg.norm(directions, axis=-1, keepdims=True))
