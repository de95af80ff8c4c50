"""Cameras as RayZer reads them from camera tokens: relative to a canonical view, with one lens for all views."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.nn.rotations import IDENTITY, rigid_from_nine, six_d_from_rotation
from baselines.nn.transformer import normal_linears
from evalkit.geometry.se3 import invert
from evalkit.views import Cameras

FOCAL_BIAS = 1.25  # in widths: a field of view of 43.6 degrees before training
NUMBERS = 13  # a 6-D rotation, a translation, focal lengths and principal point


class CameraHead(nn.Module):
    """Poses from pairs of the canonical camera token and another, a lens, if any, from that one (section 4.2).

    ``deviation`` is that of the first weights; ``scale`` multiplies all numbers but the bias of the focal length.
    """

    def __init__(self, width: int, resolution: int, lens: bool, deviation: float, scale: float) -> None:
        super().__init__()
        self.resolution, self.lens, self.scale = resolution, lens, scale
        self.pose = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, len(IDENTITY)))
        if lens:
            self.focal = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))
        normal_linears(self.modules(), deviation)

    def forward(self, tokens: Tensor, canonical: int) -> Cameras:
        """Cameras [B, V] of camera tokens [B, V, width], in float32; view ``canonical`` is the identity, exactly."""
        with torch.autocast(tokens.device.type, enabled=False):
            tokens = tokens.float()
            lens = self._intrinsics(tokens, canonical) if self.lens else None
            return Cameras(invert(self._c2w(tokens, canonical)), lens)

    def _c2w(self, tokens: Tensor, canonical: int) -> Tensor:
        views = tokens.shape[1]
        pairs = torch.cat([tokens[:, canonical : canonical + 1].expand_as(tokens), tokens], dim=-1)
        others = torch.arange(views, device=tokens.device) != canonical
        return rigid_from_nine(self.scale * self.pose(pairs) * others[:, None])

    def _intrinsics(self, tokens: Tensor, canonical: int) -> Tensor:
        focal: Tensor = (
            self.resolution * (self.scale * self.focal(tokens[:, canonical]) + FOCAL_BIAS)[..., None]
        )  # [B, 1, 1]
        both_axes = torch.diag(tokens.new_tensor([1.0, 1.0, 0.0]))
        centre = tokens.new_tensor([[0, 0, self.resolution / 2], [0, 0, self.resolution / 2], [0, 0, 1]])
        return (focal * both_axes + centre)[:, None].expand(-1, tokens.shape[1], -1, -1)


def camera_numbers(cameras: Cameras, resolution: int) -> Tensor:
    """Cameras [B, V] as [B, V, NUMBERS]: 6-D rotation and translation of c2w; fx, fy, cx, cy in image sizes.

    The paper counts ten numbers (supplement, "Ablation details"), which leaves out the translation; it is kept here.
    """
    assert cameras.intrinsics is not None
    c2w = invert(cameras.w2c)
    lens = cameras.intrinsics / resolution
    numbers = [lens[..., 0, 0], lens[..., 1, 1], lens[..., 0, 2], lens[..., 1, 2]]
    return torch.cat([six_d_from_rotation(c2w[..., :3, :3]), c2w[..., :3, 3], torch.stack(numbers, dim=-1)], dim=-1)
