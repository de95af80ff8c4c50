"""From camera tokens to cameras: poses relative to a canonical view, and one pinhole for all views (RayZer)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.nn.rotations import IDENTITY, rigid_from_nine
from baselines.nn.transformer import normal_linears
from evalkit.geometry.se3 import invert
from evalkit.views import Cameras

FOCAL_BIAS = 1.25  # in image widths: a field of view of 43.6 degrees before training


class CameraHead(nn.Module):
    """Poses from the camera tokens of the canonical view and one other; intrinsics from the canonical token alone.

    Args:
        width: channels of a camera token.
        resolution: side of the square images, in pixels.
        with_intrinsics: whether to estimate a focal length; the principal point is the centre of the image.
        deviation: standard deviation of the first weights.
        scale: factor on all outputs but the bias of the focal length.

    Source: RayZer, section 4.2.
    """

    def __init__(self, width: int, resolution: int, with_intrinsics: bool, deviation: float, scale: float) -> None:
        super().__init__()
        self.resolution, self.with_intrinsics, self.scale = resolution, with_intrinsics, scale
        self.pose = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, len(IDENTITY)))
        if with_intrinsics:
            self.focal = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))
        normal_linears(self.modules(), deviation)

    def forward(self, tokens: Tensor, canonical: int) -> Cameras:
        """Return cameras [B, V] of camera tokens [B, V, width], in float32; view ``canonical`` is exactly the identity.

        Intrinsics are None for a head without them.
        """
        with torch.autocast(tokens.device.type, enabled=False):
            tokens = tokens.float()
            intrinsics = self._intrinsics(tokens, canonical) if self.with_intrinsics else None
            return Cameras(invert(self._c2w(tokens, canonical)), intrinsics)

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
