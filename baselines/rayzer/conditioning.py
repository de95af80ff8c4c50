"""Poses as tokens: the input of the scene encoder and of the renderer for the pose of a view."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.nn.ray_tokens import RayTokens
from baselines.nn.rotations import six_d_from_rotation
from baselines.nn.transformer import deviation, normal_linears
from baselines.rayzer.model import RayZerModel
from evalkit.geometry.se3 import invert
from evalkit.method import PoseCode

CAMERA_NUMBERS = 13  # a 6-D rotation, a translation, two focal lengths and a principal point


def pose_embedding(model: RayZerModel) -> nn.Module:
    """Return the module from poses to tokens that ``model.pose`` names; see `pose_tokens`."""
    if model.pose == "se3_rays":
        return RayTokens(model.width, model.resolution, model.patch)
    return CameraToken(model.width, model.resolution) if model.pose == "se3_mlp" else nn.Identity()


def pose_tokens(embedding: nn.Module, poses: PoseCode) -> Tensor:
    """Tokens [B, V, N, width] of poses [B, V]: one a patch for rays, else one a view.

    Latent poses are tokens already (Table 7, 3).
    """
    if poses.cameras is None:
        assert poses.latent is not None
        return embedding(poses.latent)[..., None, :]  # type: ignore[no-any-return]
    assert poses.cameras.intrinsics is not None
    return embedding(poses.cameras.w2c, poses.cameras.intrinsics)  # type: ignore[no-any-return]


class CameraToken(nn.Module):
    """One token for the numbers of a camera: SE(3) without rays (Table 7, 2)."""

    def __init__(self, width: int, resolution: int) -> None:
        super().__init__()
        self.resolution = resolution
        self.embed = nn.Sequential(nn.Linear(CAMERA_NUMBERS, width), nn.SiLU(), nn.Linear(width, width))
        normal_linears(self.modules(), deviation(width))

    def forward(self, w2c: Tensor, intrinsics: Tensor) -> Tensor:
        """Cameras [B, V, 4, 4] and [B, V, 3, 3] -> [B, V, 1, width]."""
        return self.embed(camera_numbers(w2c, intrinsics, self.resolution))[..., None, :]  # type: ignore[no-any-return]


def camera_numbers(w2c: Tensor, intrinsics: Tensor, resolution: int) -> Tensor:
    """Cameras as [..., CAMERA_NUMBERS]: 6-D rotation and translation of c2w; fx, fy, cx, cy in image widths.

    The paper counts ten numbers (supplement, "Ablation details"), which leaves out the translation; it is kept here.
    """
    c2w = invert(w2c)
    pinhole = intrinsics / resolution
    numbers = [pinhole[..., 0, 0], pinhole[..., 1, 1], pinhole[..., 0, 2], pinhole[..., 1, 2]]
    return torch.cat([six_d_from_rotation(c2w[..., :3, :3]), c2w[..., :3, 3], torch.stack(numbers, dim=-1)], dim=-1)
