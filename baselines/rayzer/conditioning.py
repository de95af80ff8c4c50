"""Poses as tokens: what the scene encoder and the renderer see of a view's camera."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.nn.patches import patchify
from baselines.nn.transformer import deviation, normal_linears
from baselines.rayzer.cameras import NUMBERS, camera_numbers
from baselines.rayzer.model import RayZerModel
from evalkit.geometry.plucker import plucker_rays
from evalkit.method import PoseCode


def pose_tokens(model: RayZerModel) -> nn.Module:
    """A module from a PoseCode [B, V] to tokens [B, V, n, width]: one a patch for rays, else one a view."""
    module: nn.Module = {"se3_rays": RayTokens, "se3_mlp": CameraToken, "latent": LatentToken}[model.pose](model)
    normal_linears(module.modules(), deviation(model.width))
    return module


class RayTokens(nn.Module):
    """A token for the Plücker rays of each patch."""

    def __init__(self, model: RayZerModel) -> None:
        super().__init__()
        self.resolution, self.patch = model.resolution, model.patch
        self.embed = nn.Linear(6 * model.patch**2, model.width, bias=False)

    def forward(self, poses: PoseCode) -> Tensor:
        """Cameras [B, V] -> [B, V, patches, width]; rays are computed in float32."""
        cameras = poses.cameras
        assert cameras is not None and cameras.intrinsics is not None
        with torch.autocast(cameras.w2c.device.type, enabled=False):
            rays = plucker_rays(cameras.w2c, cameras.intrinsics, self.resolution, self.resolution)
        return self.embed(patchify(rays, self.patch))  # type: ignore[no-any-return]


class CameraToken(nn.Module):
    """One token for the camera's numbers: SE(3) without rays (Table 7, 2)."""

    def __init__(self, model: RayZerModel) -> None:
        super().__init__()
        self.resolution = model.resolution
        self.embed = nn.Sequential(nn.Linear(NUMBERS, model.width), nn.SiLU(), nn.Linear(model.width, model.width))

    def forward(self, poses: PoseCode) -> Tensor:
        """Cameras [B, V] -> [B, V, 1, width]."""
        assert poses.cameras is not None
        return self.embed(camera_numbers(poses.cameras, self.resolution))[..., None, :]  # type: ignore[no-any-return]


class LatentToken(nn.Module):
    """The camera token itself: no explicit pose (Table 7, 3)."""

    def __init__(self, model: RayZerModel) -> None:
        super().__init__()

    def forward(self, poses: PoseCode) -> Tensor:
        """Latents [B, V, width] -> [B, V, 1, width]."""
        assert poses.latent is not None
        return poses.latent[..., None, :]
