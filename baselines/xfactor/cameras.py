"""Poses as cameras, for the ablation that forces them to be SE(3) ("SE(3) & Plücker", Table 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.nn.patches import patchify
from baselines.nn.rotations import rigid_from_nine
from evalkit.geometry.plucker import plucker_rays
from evalkit.geometry.se3 import invert

CAMERA = 9  # a 6-D rotation and a translation, as differences from the identity
FOCAL = 1.0  # in widths; the paper's text does not say, and only ratios to it can be learnt


def camera_of(poses: Tensor) -> Tensor:
    """Camera-to-reference matrices [..., 4, 4] of raw poses [..., 9]; zeros mean the identity."""
    return rigid_from_nine(poses.float())


def ray_tokens(c2w: Tensor, resolution: int, patch: int) -> Tensor:
    """Plücker rays of each patch [..., T, 6 p p] of cameras [..., 4, 4]."""
    half = resolution / 2
    focal = FOCAL * resolution
    lens = c2w.new_tensor([[focal, 0, half], [0, focal, half], [0, 0, 1]])
    with torch.autocast(c2w.device.type, enabled=False):
        rays = plucker_rays(invert(c2w), lens.expand(*c2w.shape[:-2], 3, 3), resolution, resolution)
    return patchify(rays, patch)
