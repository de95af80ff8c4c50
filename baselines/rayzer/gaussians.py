"""RayZer with Gaussians for a scene (Table 7, 1): one for each context pixel, rasterised, no learnt renderer.

The paper says no more than "3DGS + rasterization", which did not converge. How tokens become Gaussians is taken from
GS-LRM (appendix A): distance along the pixel's ray, colour, scale, rotation, opacity; its range of distances is
E-RayZer's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.nn.gaussians import Gaussians, splat
from baselines.nn.patches import unpatchify
from baselines.nn.transformer import deviation, normal_linears
from baselines.rayzer.model import RayZerModel
from evalkit.geometry.rays import world_rays
from evalkit.method import PoseCode

NUMBERS = 12  # of each pixel: distance, colour, scale, quaternion, opacity
FARTHEST = 8.0
SCALE_BIAS, LARGEST_SCALE, OPACITY_BIAS = -2.3, 0.3, -2.0
CONSTANT = 0.28209479177387814  # the spherical harmonic of degree 0: colour = 0.5 + this x number


class PixelGaussians(nn.Module):
    """A Gaussian for each pixel of posed views, on its ray."""

    def __init__(self, model: RayZerModel) -> None:
        super().__init__()
        self.model = model
        self.numbers = nn.Sequential(
            nn.LayerNorm(model.width, bias=False), nn.Linear(model.width, NUMBERS * model.patch**2, bias=False)
        )
        normal_linears(self.numbers, deviation(model.width))

    def forward(self, tokens: Tensor, poses: PoseCode) -> Tensor:
        """Tokens [B, C, patches, width] of views with cameras [B, C] -> packed Gaussians [B, C * H * W, 14]."""
        cameras, size = poses.cameras, self.model.resolution
        assert cameras is not None and cameras.intrinsics is not None
        numbers = unpatchify(self.numbers(tokens), self.model.patch, size, size)  # [B, C, 12, H, W]
        with torch.autocast(tokens.device.type, enabled=False):
            each = numbers.float().movedim(-3, -1).flatten(1, 3)  # [B, G, 12]
            distance, colour, scale, quaternion, opacity = each.split([1, 3, 3, 4, 1], dim=-1)
            origin, direction = world_rays(cameras.w2c, cameras.intrinsics, size, size)
            along = nn.functional.normalize(direction, dim=-1)
            origins = origin[..., None, None, :].expand_as(along).flatten(1, 3)
            return Gaussians(
                means=origins + FARTHEST * distance.sigmoid() * along.flatten(1, 3),
                quaternions=quaternion,
                scales=(scale + SCALE_BIAS).exp().clamp(max=LARGEST_SCALE),
                opacities=(opacity[..., 0] + OPACITY_BIAS).sigmoid(),
                colours=0.5 + CONSTANT * colour,
            ).packed()


class Rasteriser(nn.Module):
    """Images of packed Gaussians: nothing to learn."""

    def __init__(self, model: RayZerModel) -> None:
        super().__init__()
        self.size = model.resolution

    def forward(self, scene: Tensor, poses: PoseCode) -> Tensor:
        """[B, G, 14] and cameras [B, T] -> [B, T, 3, H, W], before black, not clamped."""
        cameras = poses.cameras
        assert cameras is not None and cameras.intrinsics is not None
        with torch.autocast(scene.device.type, enabled=False):
            return splat(Gaussians.unpacked(scene.float()), cameras.w2c, cameras.intrinsics, self.size)
