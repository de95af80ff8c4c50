"""Cameras as tokens: the Plücker rays of the pixels of each patch (LVSM, RayZer, GS-LRM)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.nn.patches import patchify
from baselines.nn.transformer import deviation, normal_linears
from evalkit.geometry.plucker import plucker_rays


def ray_patches(w2c: Tensor, intrinsics: Tensor, resolution: int, patch: int) -> Tensor:
    """Plücker rays of the patches of square images [..., patches, 6 * patch^2], computed in float32.

    Args:
        w2c: world-to-camera matrices [..., 4, 4].
        intrinsics: [..., 3, 3], in pixels.
        resolution: side of the images, in pixels.
        patch: side of a patch, in pixels.
    """
    with torch.autocast(w2c.device.type, enabled=False):
        rays = plucker_rays(w2c, intrinsics, resolution, resolution)
    return patchify(rays, patch)


class RayTokens(nn.Module):
    """One token for each patch of a view, linear in the Plücker rays of its pixels; arguments as in `ray_patches`."""

    def __init__(self, width: int, resolution: int, patch: int) -> None:
        super().__init__()
        self.resolution, self.patch = resolution, patch
        self.embed = nn.Linear(6 * patch**2, width, bias=False)
        normal_linears(self.modules(), deviation(width))

    def forward(self, w2c: Tensor, intrinsics: Tensor) -> Tensor:
        """Cameras [..., 4, 4] and [..., 3, 3] -> tokens [..., patches, width]."""
        return self.embed(ray_patches(w2c, intrinsics, self.resolution, self.patch))  # type: ignore[no-any-return]
