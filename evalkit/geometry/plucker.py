"""Plücker rays: six numbers per pixel for the line in space that it looks along."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.geometry.rays import world_rays


def plucker_rays(w2c: Tensor, intrinsics: Tensor, height: int, width: int) -> Tensor:
    """Return the Plücker coordinates (o x d, d) of pixel rays, [..., 6, H, W].

    o is the camera centre and d the unit direction through the pixel centre, both in the world. The moment o x d is the
    same for every point o of the line. The moment comes first, as in LVSM and RayZer.

    Args:
        w2c: [..., 4, 4].
        intrinsics: [..., 3, 3], in pixels.
        height, width: image size in pixels.

    Source: Light Field Networks, eq. 4.
    """
    origin, direction = world_rays(w2c, intrinsics, height, width)
    direction = direction / direction.norm(dim=-1, keepdim=True)
    moment = torch.linalg.cross(origin[..., None, None, :].expand_as(direction), direction, dim=-1)
    return torch.cat([moment, direction], dim=-1).movedim(-1, -3)
