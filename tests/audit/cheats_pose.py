"""Cheats that are tried on `pose`: cameras that ignore the clip, or that hold a part of the true ones.

They stand in for `warp` in a planned run, whose card gives them the true cameras.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from baselines.controls.cards import WarpBaseline
from baselines.controls.partial_motion import placed
from baselines.controls.warping import Warp
from evalkit.geometry.rotations import rotation_exp, rotation_log
from evalkit.geometry.se3 import camera_centres, invert
from evalkit.method import PoseCode
from evalkit.views import Views
from tests.audit.cheats import (
    OPTIONS,
    Motion,
    clock,
    cubed,
    directions,
    mirrored,
    on_arc,
    one_bit,
    only_turning,
    reverse,
    shuffled_reading,
)

STEP_RAD = math.radians(4.0)


class Says(WarpBaseline):
    """States cameras that are made of the true ones, which are relative to the reference."""

    def __init__(self, motion: Motion) -> None:
        self.motion, self.warp = motion, Warp(OPTIONS, "cpu")

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """The changed cameras."""
        cameras = self.warp.encode_poses(views, context).cameras
        assert cameras is not None
        return PoseCode(cameras=replace(cameras, w2c=self.motion(cameras.w2c.double(), views.sample_ids)))


class AnotherClip:
    """The true cameras of the clip before; of the first one, itself backwards."""

    def __init__(self) -> None:
        self.before: Tensor | None = None

    def __call__(self, w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
        first = w2c[:1].flip(1) if self.before is None else self.before
        self.before = w2c[-1:]
        return torch.cat([first, w2c[:-1]])


def half(w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
    """Half of each rotation and of each way."""
    return placed(rotation_exp(rotation_log(w2c[..., :3, :3]) / 2), camera_centres(w2c) / 2)


def only_moving(w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
    """The true centres, without any rotation."""
    return placed(torch.eye(3).to(w2c).expand_as(w2c[..., :3, :3]), camera_centres(w2c))


def mirror_image(w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
    """The true motion with left and right exchanged."""
    flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0])).to(w2c)
    return flip @ w2c @ flip


def two_bits(w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
    """Equal steps on one arc, to the left, right, up or down, as the way from the first camera to the last goes."""
    way = camera_centres(w2c)[:, -1, :2] - camera_centres(w2c)[:, 0, :2]
    quarter = (torch.atan2(way[:, 1], way[:, 0]) / (math.pi / 2)).round() * (math.pi / 2)
    return _rolled_arc(w2c, quarter)


def heading(w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
    """Equal steps on one arc, in the true direction across the image."""
    way = camera_centres(w2c)[:, -1, :2] - camera_centres(w2c)[:, 0, :2]
    return _rolled_arc(w2c, torch.atan2(way[:, 1], way[:, 0]))


def straight_between_ends(w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
    """The true first and last camera, and equal steps between them."""
    share = torch.linspace(0, 1, w2c.shape[1]).to(w2c)[:, None]
    turn = rotation_log(w2c[:, -1:, :3, :3] @ w2c[:, :1, :3, :3].mT)
    centre = torch.lerp(camera_centres(w2c)[:, :1], camera_centres(w2c)[:, -1:], share)
    return placed(rotation_exp(share * turn) @ w2c[:, :1, :3, :3], centre)


def _rolled_arc(w2c: Tensor, roll: Tensor) -> Tensor:
    """The arc to the right, rolled about the line of sight by ``roll`` [B]."""
    steps = (torch.arange(w2c.shape[1]).to(w2c) - w2c.shape[1] // 2).expand(w2c.shape[:2])
    zero = torch.zeros_like(roll)
    turn = torch.eye(4).to(w2c).repeat(len(w2c), 1, 1)
    turn[:, :3, :3] = rotation_exp(torch.stack([zero, zero, roll], dim=-1))
    return turn[:, None] @ on_arc(steps * STEP_RAD) @ invert(turn)[:, None]


CHEATS: Mapping[str, Says] = {
    "fixed arc": Says(clock),
    "arc, one bit": Says(one_bit),
    "arc, two bits": Says(two_bits),
    "arc, true heading": Says(heading),
    "half motion": Says(half),
    "cubed distances": Says(cubed),
    "one length": Says(directions),
    "only turning": Says(only_turning),
    "only moving": Says(only_moving),
    "shuffled": Says(shuffled_reading),
    "backwards": Says(reverse),
    "inverse": Says(mirrored),
    "mirror image": Says(mirror_image),
    "another clip": Says(AnotherClip()),
    "between true ends": Says(straight_between_ends),
}
