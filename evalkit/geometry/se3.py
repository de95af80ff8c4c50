"""Rigid motions as 4x4 matrices: inverse, relative pose, angles."""

from __future__ import annotations

import torch
from torch import Tensor


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


def rotation_angle_deg(rotation: Tensor) -> Tensor:
    """Angle of rotations [..., 3, 3] in degrees, [0, 180], accurate at both ends.

    atan2(|vee(R - R')|/2, (tr R - 1)/2); acos of the trace alone loses 1e-4 degrees near 0 even in float64.
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
    """Angle between vectors [..., 3] in degrees, [0, 180]; 90 where either has no length.

    2 atan2(|u - v|, |u + v|) of the unit vectors, accurate for small angles (Kahan). A missing direction counts
    as a right angle, as in XFactor's metric code: never NaN, never a success below 90 degrees.
    """
    norm_a, norm_b = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    u, v = a / norm_a, b / norm_b
    angle = torch.rad2deg(2 * torch.atan2((u - v).norm(dim=-1), (u + v).norm(dim=-1)))
    undefined = ((norm_a == 0) | (norm_b == 0)).squeeze(-1)
    return angle.masked_fill(undefined, 90.0)
