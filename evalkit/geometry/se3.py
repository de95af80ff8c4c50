"""Rigid motions as 4x4 matrices: inverse, relative pose, camera centres, exponential map, angles."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.geometry.rotations import exp_coefficients, hat, rotation_exp, rotation_log


def invert(motion: Tensor) -> Tensor:
    """Invert rigid motions [..., 4, 4] in closed form: (R, t) -> (R', -R't)."""
    rotation_t = motion[..., :3, :3].mT
    inverse = torch.zeros_like(motion)
    inverse[..., :3, :3] = rotation_t
    inverse[..., :3, 3:] = -rotation_t @ motion[..., :3, 3:]
    inverse[..., 3, 3] = 1
    return inverse


def relative_to(w2c: Tensor, reference_w2c: Tensor) -> Tensor:
    """Express cameras w2c [..., V, 4, 4] in the frame of a reference camera [..., 4, 4].

    Returns ``camera_from_reference`` = w2c @ inv(reference); the reference itself becomes the identity.
    """
    return w2c @ invert(reference_w2c)[..., None, :, :]


def camera_centres(w2c: Tensor) -> Tensor:
    """Return the positions of cameras w2c [..., 4, 4] in the world, -R't, [..., 3]."""
    return invert(w2c)[..., :3, 3]


def motion_exp(twist: Tensor) -> Tensor:
    """Return rigid motions [..., 4, 4] of twists [..., 6] = (translation part, rotation vector in radians)."""
    linear, rotvec = twist[..., :3], twist[..., 3:]
    motion = torch.zeros(*twist.shape[:-1], 4, 4, dtype=twist.dtype, device=twist.device)
    motion[..., :3, :3] = rotation_exp(rotvec)
    motion[..., :3, 3:] = _left_jacobian(rotvec) @ linear[..., None]
    motion[..., 3, 3] = 1
    return motion


def motion_log(motion: Tensor) -> Tensor:
    """Return twists [..., 6] of rigid motions [..., 4, 4], the inverse of `motion_exp` for angles below 180 degrees."""
    rotvec = rotation_log(motion[..., :3, :3])
    linear = torch.linalg.solve(_left_jacobian(rotvec), motion[..., :3, 3])
    return torch.cat([linear, rotvec], dim=-1)


def _left_jacobian(rotvec: Tensor) -> Tensor:
    """Return the matrix that turns the translation part of a twist into a translation (Barfoot 2017, eq. 7.37)."""
    _, cosine, cubic = exp_coefficients(rotvec.norm(dim=-1)[..., None, None])
    cross = hat(rotvec)
    return torch.eye(3, dtype=rotvec.dtype, device=rotvec.device) + cosine * cross + cubic * cross @ cross


def rotation_angle_deg(rotation: Tensor) -> Tensor:
    """Return the angle of rotations [..., 3, 3] in degrees, 0 to 180, accurate at both ends.

    atan2(|vee(R - R')|/2, (tr R - 1)/2). The arc cosine of the trace alone loses 1e-4 degrees near 0 even in float64.
    """
    skew = torch.stack(
        [
            rotation[..., 2, 1] - rotation[..., 1, 2],
            rotation[..., 0, 2] - rotation[..., 2, 0],
            rotation[..., 1, 0] - rotation[..., 0, 1],
        ],
        dim=-1,
    )
    sine = skew.norm(dim=-1) / 2
    cosine = (rotation.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    return torch.rad2deg(torch.atan2(sine, cosine))


def vector_angle_deg(a: Tensor, b: Tensor) -> Tensor:
    """Return the angle between vectors [..., 3] in degrees, 0 to 180; 90 where either has length 0.

    2 atan2(|u - v|, |u + v|) of the unit vectors, accurate for small angles (Kahan). 90 degrees for a missing
    direction is the rule of XFactor's metric code: it is never NaN and never a success below 90 degrees.
    """
    norm_a, norm_b = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    u, v = a / norm_a, b / norm_b
    angle = torch.rad2deg(2 * torch.atan2((u - v).norm(dim=-1), (u + v).norm(dim=-1)))
    undefined = ((norm_a == 0) | (norm_b == 0)).squeeze(-1)
    return angle.masked_fill(undefined, 90.0)
