"""Pixel-aligned Gaussians: one for each pixel of posed views, on the ray of that pixel (GS-LRM, appendix A)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.nn.gaussians import Gaussians
from baselines.nn.patches import unpatchify
from baselines.nn.transformer import deviation, normal_linears
from evalkit.geometry.rays import world_rays

PARAMETERS = (1, 3, 3, 4, 1)  # numbers of a pixel: distance, colour, scale, quaternion, opacity
FARTHEST = 8.0  # largest distance along a ray, in the unit of the cameras (E-RayZer)
SCALE_BIAS, LARGEST_SCALE, OPACITY_BIAS = -2.3, 0.3, -2.0  # GS-LRM, appendix A
SH_0 = 0.28209479177387814  # the spherical harmonic of degree 0: colour = 0.5 + SH_0 * number


class PixelGaussians(nn.Module):
    """A linear head from the tokens of posed views to one Gaussian a pixel.

    Args:
        width: channels of a token.
        resolution: side of the square images, in pixels.
        patch: side of a patch, in pixels.
    """

    def __init__(self, width: int, resolution: int, patch: int) -> None:
        super().__init__()
        self.resolution, self.patch = resolution, patch
        self.numbers = nn.Sequential(
            nn.LayerNorm(width, bias=False), nn.Linear(width, sum(PARAMETERS) * patch**2, bias=False)
        )
        normal_linears(self.numbers, deviation(width))

    def forward(self, tokens: Tensor, w2c: Tensor, intrinsics: Tensor) -> Gaussians:
        """Return the Gaussians [B, C * H * W] of C views a scene, in the world of their cameras.

        Args:
            tokens: [B, C, patches, width], patches row by row.
            w2c: world-to-camera matrices [B, C, 4, 4].
            intrinsics: [B, C, 3, 3], in pixels.
        """
        size = self.resolution
        numbers = unpatchify(self.numbers(tokens), self.patch, size, size)  # [B, C, 12, H, W]
        with torch.autocast(tokens.device.type, enabled=False):
            rows = numbers.float().movedim(-3, -1).flatten(1, 3)  # [B, G, 12]
            distance, colour, scale, quaternion, opacity = rows.split(PARAMETERS, dim=-1)
            origin, direction = world_rays(w2c, intrinsics, size, size)
            unit_direction = nn.functional.normalize(direction, dim=-1)
            origins = origin[..., None, None, :].expand_as(unit_direction).flatten(1, 3)
            return Gaussians(
                means=origins + FARTHEST * distance.sigmoid() * unit_direction.flatten(1, 3),
                quaternions=quaternion,
                scales=(scale + SCALE_BIAS).exp().clamp(max=LARGEST_SCALE),
                opacities=(opacity[..., 0] + OPACITY_BIAS).sigmoid(),
                colours=0.5 + SH_0 * colour,
            )
