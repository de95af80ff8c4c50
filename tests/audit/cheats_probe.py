"""Cheats that are tried on `probe`: codes of time, of a few bits of the truth, of pixels, or of nothing.

They stand in for `warp` in a planned run, whose card gives them the true cameras.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from baselines.controls.cards import WarpBaseline
from baselines.controls.warping import Warp, derangement
from evalkit.geometry.se3 import camera_centres
from evalkit.method import PoseCode
from evalkit.seeds import generator
from evalkit.views import Views
from tests.audit.cheats import OPTIONS

Code = Callable[[Views, Tensor], Tensor]  # views and their true poses [B, V, 4, 4] -> codes [B, V, D]


class Codes(WarpBaseline):
    """Gives a code that is made of the views and of the true cameras, which are relative to the reference."""

    def __init__(self, code: Code) -> None:
        self.code, self.warp = code, Warp(OPTIONS, "cpu")

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """The code alone."""
        cameras = self.warp.encode_poses(views, context).cameras
        assert cameras is not None
        return PoseCode(latent=self.code(views, cameras.w2c).float())


def _ranks(w2c: Tensor) -> Tensor:
    """Ranks [B, V, 1] of the views in time, from -1 to 1."""
    return torch.linspace(-1, 1, w2c.shape[1])[:, None].expand(*w2c.shape[:2], 1)


def _way(w2c: Tensor) -> Tensor:
    """The way [B, 1, 2] across the image from the first camera to the last."""
    centre = camera_centres(w2c)
    return (centre[:, -1:, :2] - centre[:, :1, :2]).float()


def time(views: Views, w2c: Tensor) -> Tensor:
    """The rank of the view."""
    return _ranks(w2c)


def time_and_side(views: Views, w2c: Tensor) -> Tensor:
    """The rank of the view, with the side to which the camera moves as its sign."""
    return _ranks(w2c) * _way(w2c)[..., :1].sign()


def time_and_quarter(views: Views, w2c: Tensor) -> Tensor:
    """The rank of the view along the way, of which the nearest of left, right, up and down is told."""
    angle = torch.atan2(_way(w2c)[..., 1:], _way(w2c)[..., :1])
    quarter = (angle / (math.pi / 2)).round() * (math.pi / 2)
    return _ranks(w2c) * torch.cat([quarter.cos(), quarter.sin()], dim=-1)


def time_and_heading(views: Views, w2c: Tensor) -> Tensor:
    """The rank of the view along the way, of which the direction across the image is told."""
    return _ranks(w2c) * _way(w2c) / _way(w2c).norm(dim=-1, keepdim=True).clamp_min(1e-9)


def side_alone(views: Views, w2c: Tensor) -> Tensor:
    """The side to which the camera moves, the same for all views."""
    return _way(w2c)[..., :1].sign().expand(*w2c.shape[:2], 1)


def thumbnail(side: int) -> Code:
    """The views, averaged to ``side`` pixels."""

    def code(views: Views, w2c: Tensor) -> Tensor:
        return adaptive_avg_pool2d(views.images.flatten(0, 1), side).view(*w2c.shape[:2], -1)

    return code


def noise(views: Views, w2c: Tensor) -> Tensor:
    """Numbers that say nothing."""
    drawn = [generator("audit", "noise", name).standard_normal((w2c.shape[1], 16)) for name in views.sample_ids]
    return torch.stack([torch.from_numpy(numbers) for numbers in drawn])


def shuffled(views: Views, w2c: Tensor) -> Tensor:
    """The true cameras of the clip, each of another view."""
    order = [torch.tensor(derangement(w2c.shape[1], name)) for name in views.sample_ids]
    return torch.stack([one[index] for one, index in zip(w2c[..., :3, :].flatten(2), order, strict=True)])


CHEATS: Mapping[str, Codes] = {
    "time": Codes(time),
    "time × one bit": Codes(time_and_side),
    "time × two bits": Codes(time_and_quarter),
    "time × heading": Codes(time_and_heading),
    "one bit": Codes(side_alone),
    "thumbnail of 4": Codes(thumbnail(4)),
    "thumbnail of 8": Codes(thumbnail(8)),
    "noise": Codes(noise),
    "shuffled": Codes(shuffled),
}
