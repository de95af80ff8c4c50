"""Between two poses: slerp of rotations and the geodesic of rigid motions, both at constant speed."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.geometry.se3 import invert

_SMALL = 1e-3  # radians; below, series replace quotients that cancel (their next term is < 1e-14)


def hat(vector: Tensor) -> Tensor:
    """The cross product as a matrix: hat(a) @ b = a x b, [..., 3] -> [..., 3, 3]."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    rows = [torch.stack(row, dim=-1) for row in ((zero, -z, y), (z, zero, -x), (-y, x, zero))]
    return torch.stack(rows, dim=-2)


def rotation_exp(rotvec: Tensor) -> Tensor:
    """Rotation matrices [..., 3, 3] of rotation vectors [..., 3] in radians (Rodrigues)."""
    angle = rotvec.norm(dim=-1)[..., None, None]
    sine, cosine, _ = _coefficients(angle)
    cross = hat(rotvec)
    return torch.eye(3, dtype=rotvec.dtype, device=rotvec.device) + sine * cross + cosine * cross @ cross


def rotation_log(rotation: Tensor) -> Tensor:
    """Rotation vectors [..., 3] in radians, of length at most pi, of rotation matrices [..., 3, 3].

    By way of the quaternion, from its largest component (Shepperd 1978): accurate at 0 and at 180 degrees, where
    either of the two axes may come out.
    """
    quaternion = _quaternion(rotation)
    real, imaginary = quaternion[..., :1], quaternion[..., 1:]
    imaginary = torch.where(real < 0, -imaginary, imaginary)
    sine = imaginary.norm(dim=-1, keepdim=True)
    half = torch.atan2(sine, real.abs())
    return imaginary * torch.where(sine > 0, 2 * half / sine.clamp_min(torch.finfo(sine.dtype).tiny), 2.0)


def slerp(start: Tensor, end: Tensor, fraction: Tensor) -> Tensor:
    """Rotate from ``start`` to ``end`` [..., 3, 3] by ``fraction`` [...] of the angle between, the short way."""
    step = rotation_log(start.mT @ end)
    return start @ rotation_exp(fraction[..., None] * step)


def motion_exp(twist: Tensor) -> Tensor:
    """Rigid motions [..., 4, 4] of twists [..., 6] = (translation part, rotation vector)."""
    linear, rotvec = twist[..., :3], twist[..., 3:]
    motion = torch.zeros(*twist.shape[:-1], 4, 4, dtype=twist.dtype, device=twist.device)
    motion[..., :3, :3] = rotation_exp(rotvec)
    motion[..., :3, 3:] = _left_jacobian(rotvec) @ linear[..., None]
    motion[..., 3, 3] = 1
    return motion


def motion_log(motion: Tensor) -> Tensor:
    """Twists [..., 6] of rigid motions [..., 4, 4], the inverse of `motion_exp` for angles below 180 degrees."""
    rotvec = rotation_log(motion[..., :3, :3])
    linear = torch.linalg.solve(_left_jacobian(rotvec), motion[..., :3, 3])
    return torch.cat([linear, rotvec], dim=-1)


def interpolate_motion(start: Tensor, end: Tensor, fraction: Tensor) -> Tensor:
    """Rigid motions at ``fraction`` [...] of the way along the geodesic from ``start`` to ``end`` [..., 4, 4].

    start @ exp(fraction log(start^-1 end)): a screw at constant linear and angular speed. It is the same path for
    w2c and c2w matrices and in every world frame. Fractions outside [0, 1] extrapolate.
    """
    return start @ motion_exp(fraction[..., None] * motion_log(invert(start) @ end))


def _coefficients(angle: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """sin(a)/a, (1 - cos a)/a^2 and (a - sin a)/a^3, by their series near 0."""
    square, small = angle * angle, angle < _SMALL
    safe = torch.where(small, 1.0, angle)
    return (
        torch.where(small, 1 - square / 6 + square**2 / 120, torch.sin(safe) / safe),
        torch.where(small, 0.5 - square / 24, 2 * torch.sin(safe / 2) ** 2 / safe**2),
        torch.where(small, 1 / 6 - square / 120, (safe - torch.sin(safe)) / safe**3),
    )


def _left_jacobian(rotvec: Tensor) -> Tensor:
    """What turns the translation part of a twist into a translation (Barfoot 2017, eq. 7.37)."""
    _, cosine, cubic = _coefficients(rotvec.norm(dim=-1)[..., None, None])
    cross = hat(rotvec)
    return torch.eye(3, dtype=rotvec.dtype, device=rotvec.device) + cosine * cross + cubic * cross @ cross


def _quaternion(rotation: Tensor) -> Tensor:
    """Quaternions (w, x, y, z) of rotation matrices, sign arbitrary.

    q q' follows linearly from the matrix; its column with the largest diagonal, normalised, is q.
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
    return torch.nn.functional.normalize(column, dim=-1)
