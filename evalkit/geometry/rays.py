"""Pixel centres and the rays through them, in camera axes and in the world."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.geometry.se3 import invert


def pixel_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Return the homogeneous pixel centres [H, W, 3] (x + 0.5, y + 0.5, 1), with the dtype and device of ``like``."""
    y = torch.arange(height, dtype=like.dtype, device=like.device) + 0.5
    x = torch.arange(width, dtype=like.dtype, device=like.device) + 0.5
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([grid_x, grid_y, torch.ones_like(grid_x)], dim=-1)


def camera_rays(intrinsics: Tensor, height: int, width: int) -> Tensor:
    """Return directions [..., H, W, 3] of pixel rays in camera axes, with z = 1, for intrinsics [..., 3, 3]."""
    grid = pixel_grid(height, width, intrinsics)
    return torch.einsum("...ij,hwj->...hwi", torch.linalg.inv(intrinsics), grid)


def world_rays(w2c: Tensor, intrinsics: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return origins [..., 3] and directions [..., H, W, 3] of pixel rays in the world.

    Directions have z = 1 in camera axes: the point at depth z is ``origin + z * direction``. Arguments as in
    `evalkit.geometry.plucker.plucker_rays`.
    """
    c2w = invert(w2c)
    directions = torch.einsum("...ij,...hwj->...hwi", c2w[..., :3, :3], camera_rays(intrinsics, height, width))
    return c2w[..., :3, 3], directions
