"""Controls that render as `warp` does at poses that hold a part of the truth: half of each motion, or its order."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from baselines.controls.cards import FixedMotionBaseline, HalfMotionBaseline
from baselines.controls.warping import Warping
from evalkit.geometry.rotations import rotation_exp, rotation_log
from evalkit.geometry.se3 import camera_centres
from evalkit.method import PoseCode, Scene

ARC_STEP_DEG = 4.0  # of `FixedMotion`, from one camera to the next
ARC_RADIUS = 0.9  # in the unit of the data
SAME_PLACE = 1e-5  # positions closer than this, in the unit of the data, share a rank


class HalfMotion(HalfMotionBaseline, Warping):
    """Renders as `Warp` does, at half of the rotation about its axis and half of the way on a straight line."""

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Halve the rotation and the position of each target, relative to the reference, then render."""
        assert poses.cameras is not None
        w2c = poses.cameras.w2c
        half = placed(rotation_exp(rotation_log(w2c[..., :3, :3]) / 2), camera_centres(w2c) / 2)
        return super().render(scene, PoseCode(cameras=replace(poses.cameras, w2c=half)))


class FixedMotion(FixedMotionBaseline, Warping):
    """Renders as `Warp` does, from equal steps on one arc around a point ahead, in the order of the true cameras."""

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Replace each target by the camera of its rank from left to right, counted from the reference, then render."""
        assert poses.cameras is not None
        angle = ranks(camera_centres(poses.cameras.w2c)[..., 0]) * math.radians(ARC_STEP_DEG)
        zero = torch.zeros_like(angle)
        centre = ARC_RADIUS * torch.stack([angle.sin(), zero, 1 - angle.cos()], dim=-1)
        w2c = placed(rotation_exp(torch.stack([zero, angle, zero], dim=-1)), centre)
        return super().render(scene, PoseCode(cameras=replace(poses.cameras, w2c=w2c)))


def placed(rotation: Tensor, centre: Tensor) -> Tensor:
    """Cameras w2c [..., 4, 4] at positions [..., 3]; ``rotation`` [..., 3, 3] is that of w2c."""
    w2c = torch.zeros(*centre.shape[:-1], 4, 4, dtype=centre.dtype, device=centre.device)
    w2c[..., :3, :3] = rotation
    w2c[..., :3, 3:] = -rotation @ centre[..., None]
    w2c[..., 3, 3] = 1
    return w2c


def ranks(positions: Tensor) -> Tensor:
    """Ranks of positions [B, T] on a line, counted from 0, the place of the reference; equal ones share a rank.

    >>> ranks(torch.tensor([[0.3, -2.0, 0.0, 0.1]])).tolist()
    [[2.0, -1.0, 0.0, 1.0]]
    """
    line = torch.cat([torch.zeros_like(positions[:, :1]), positions], dim=1)
    difference = line[:, :, None] - line[:, None, :]
    twins = (difference.abs() <= SAME_PLACE).to(positions.dtype)
    below = ((difference > SAME_PLACE) / twins.sum(-1)[:, None, :]).sum(-1)  # of distinct places
    return below[:, 1:] - below[:, :1]
