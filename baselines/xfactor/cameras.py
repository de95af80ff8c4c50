"""Poses as cameras, for the ablation that forces them to be SE(3) ("SE(3) & Plücker", Table 3)."""

from __future__ import annotations

from torch import Tensor

from baselines.nn.ray_tokens import ray_patches
from baselines.nn.rotations import rigid_from_nine
from evalkit.geometry.se3 import invert

CAMERA_NUMBERS = 9  # a 6-D rotation and a translation, as differences from the identity
FOCAL = 1.0  # in image widths; the paper's text does not say, and only ratios to it can be learnt


def camera_of(poses: Tensor) -> Tensor:
    """Camera-to-reference matrices [..., 4, 4] of raw poses [..., 9]; zeros mean the identity."""
    return rigid_from_nine(poses.float())


def ray_tokens(c2w: Tensor, resolution: int, patch: int) -> Tensor:
    """Plücker rays of each patch [..., patches, 6 * patch^2] of cameras [..., 4, 4]."""
    centre, focal = resolution / 2, FOCAL * resolution
    intrinsics = c2w.new_tensor([[focal, 0, centre], [0, focal, centre], [0, 0, 1]])
    return ray_patches(invert(c2w), intrinsics.expand(*c2w.shape[:-2], 3, 3), resolution, patch)
