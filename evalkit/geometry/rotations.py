"""Rotations: as matrices, as rotation vectors, as quaternions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from evalkit.geometry.quaternions import rotation_entries

_SMALL = 1e-3  # radians; below, series replace quotients that cancel (their next term is < 1e-14)


def hat(vector: Tensor) -> Tensor:
    """Return the cross product as a matrix: hat(a) @ b = a x b, [..., 3] -> [..., 3, 3]."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    rows = [torch.stack(row, dim=-1) for row in ((zero, -z, y), (z, zero, -x), (-y, x, zero))]
    return torch.stack(rows, dim=-2)


def rotation_exp(rotvec: Tensor) -> Tensor:
    """Return rotation matrices [..., 3, 3] of rotation vectors [..., 3] in radians (Rodrigues)."""
    angle = rotvec.norm(dim=-1)[..., None, None]
    sine, cosine, _ = exp_coefficients(angle)
    cross = hat(rotvec)
    return torch.eye(3, dtype=rotvec.dtype, device=rotvec.device) + sine * cross + cosine * cross @ cross


def rotation_log(rotation: Tensor) -> Tensor:
    """Return rotation vectors [..., 3] in radians, of length at most pi, of rotation matrices [..., 3, 3].

    Computed from the quaternion, which is accurate at 0 and at 180 degrees. At 180 degrees the axis has either sign.
    """
    quaternion = quaternion_from_rotation(rotation)
    real, imaginary = quaternion[..., :1], quaternion[..., 1:]
    imaginary = torch.where(real < 0, -imaginary, imaginary)
    sine = imaginary.norm(dim=-1, keepdim=True)
    half = torch.atan2(sine, real.abs())
    return imaginary * torch.where(sine > 0, 2 * half / sine.clamp_min(torch.finfo(sine.dtype).tiny), 2.0)


def exp_coefficients(angle: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return sin(a)/a, (1 - cos a)/a^2 and (a - sin a)/a^3 of angles a in radians, by their series near 0."""
    square, small = angle * angle, angle < _SMALL
    safe = torch.where(small, 1.0, angle)
    return (
        torch.where(small, 1 - square / 6 + square**2 / 120, torch.sin(safe) / safe),
        torch.where(small, 0.5 - square / 24, 2 * torch.sin(safe / 2) ** 2 / safe**2),
        torch.where(small, 1 / 6 - square / 120, (safe - torch.sin(safe)) / safe**3),
    )


def rotation_from_quaternion(quaternion: Tensor) -> Tensor:
    """Return rotation matrices [..., 3, 3] of quaternions (w, x, y, z) [..., 4] of any length but zero.

    >>> rotation_from_quaternion(torch.tensor([2.0, 0, 0, 0])).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    rows = rotation_entries(*normalize(quaternion, dim=-1).unbind(-1))
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def quaternion_from_rotation(rotation: Tensor) -> Tensor:
    """Return unit quaternions (w, x, y, z) [..., 4] of rotation matrices [..., 3, 3]; the sign is arbitrary.

    The matrix q q' is linear in the rotation matrix. Its column with the largest diagonal entry, normalised, is q
    (Shepperd 1978).
    """
    r = rotation
    xx, yy, zz = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    w_x, w_y, w_z = r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]
    x_y, x_z, y_z = r[..., 0, 1] + r[..., 1, 0], r[..., 0, 2] + r[..., 2, 0], r[..., 1, 2] + r[..., 2, 1]
    rows = [
        [1 + xx + yy + zz, w_x, w_y, w_z],
        [w_x, 1 + xx - yy - zz, x_y, x_z],
        [w_y, x_y, 1 - xx + yy - zz, y_z],
        [w_z, x_z, y_z, 1 - xx - yy + zz],
    ]
    outer = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
    largest = outer.diagonal(dim1=-2, dim2=-1).argmax(dim=-1)
    column = outer.gather(-2, largest[..., None, None].expand(*largest.shape, 1, 4)).squeeze(-2)
    return normalize(column, dim=-1)


def rotation_residual(matrix: Tensor) -> Tensor:
    """Return how far matrices [..., 3, 3] are from rotations: the Frobenius norm of M'M - I, float64 [...].

    >>> rotation_residual(2 * torch.eye(3)).item() == 27**0.5
    True
    """
    matrix = matrix.double()
    excess = matrix.mT @ matrix - torch.eye(3, dtype=torch.float64, device=matrix.device)
    residual: Tensor = excess.flatten(-2).norm(dim=-1)
    return residual
