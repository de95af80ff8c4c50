"""Cheats that are tried on `tps` beside the shipped controls: each takes a little of A's motion or of A's pixels.

They stand in for `warp` in a planned run: its card gives them A's true cameras and images, as a learned pose may.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from baselines.controls.cards import ControlOptions, WarpBaseline
from baselines.controls.copies import reference_image, repeated
from baselines.controls.partial_motion import ARC_RADIUS, ARC_STEP_DEG, placed
from baselines.controls.warping import DepthScene, Warp, derangement
from evalkit.geometry.rotations import rotation_exp
from evalkit.geometry.se3 import camera_centres, invert
from evalkit.method import PoseCode, Scene
from evalkit.views import Views

OPTIONS = ControlOptions(name="warp")
Motion = Callable[[Tensor, tuple[str, ...]], Tensor]  # true poses [B, T, 4, 4], sample ids -> poses to render
Picture = Callable[[Tensor, Tensor], Tensor]  # renders and targets of A, both [B, T, 3, H, W] -> what is shown


@dataclass(frozen=True)
class _Scene:
    warped: Scene
    reference: Tensor
    sample_ids: tuple[str, ...]


class Cheat(WarpBaseline):
    """Renders as `Warp` does at changed poses, then changes the picture with the help of A's targets."""

    def __init__(self, motion: Motion | None = None, picture: Picture | None = None, is_still: bool = False) -> None:
        self.motion, self.picture, self.is_still = motion, picture, is_still
        self.warp = Warp(OPTIONS, "cpu")

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """The true cameras, and the images beside them."""
        return replace(self.warp.encode_poses(views, context), latent=views.images.flatten(2))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """That of `Warp`, with the reference frame."""
        return _Scene(self.warp.encode_scene(views, poses), reference_image(views), views.sample_ids)

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Render at the changed poses, or show the reference frame; then mix."""
        assert isinstance(scene, _Scene) and poses.cameras is not None and poses.latent is not None
        assert isinstance(scene.warped, DepthScene)
        w2c = poses.cameras.w2c
        if self.is_still:
            shown = repeated(scene.reference, w2c.shape[1])
        else:
            moved = self.motion(w2c, scene.sample_ids) if self.motion else w2c
            shown = self.warp.render(scene.warped, PoseCode(cameras=replace(poses.cameras, w2c=moved)))
        return self.picture(shown, poses.latent.reshape(shown.shape)) if self.picture else shown


def on_arc(angle: Tensor) -> Tensor:
    """Cameras [B, T, 4, 4] at angles [B, T] in radians on the arc of `FixedMotion`."""
    zero = torch.zeros_like(angle)
    centre = ARC_RADIUS * torch.stack([angle.sin(), zero, 1 - angle.cos()], dim=-1)
    return placed(rotation_exp(torch.stack([zero, angle, zero], dim=-1)), centre)


def clock(w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
    """Equal steps on one arc: nothing of A."""
    steps = torch.arange(w2c.shape[1]) - w2c.shape[1] // 2
    return on_arc((steps * math.radians(ARC_STEP_DEG)).to(w2c).expand(w2c.shape[:2]))


def one_bit(w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
    """Equal steps on one arc, to the side to which A moves."""
    x = camera_centres(w2c)[..., 0]
    steps = (torch.arange(w2c.shape[1]) - w2c.shape[1] // 2).to(w2c) * (x[:, -1] - x[:, 0]).sign()[:, None]
    return on_arc(steps * math.radians(ARC_STEP_DEG))


def cubed(w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
    """The true rotations and directions, with cubed distances from the reference; the farthest stays."""
    centre = camera_centres(w2c)
    length = centre.norm(dim=-1, keepdim=True)
    return placed(w2c[..., :3, :3], centre * (length / length.amax(1, keepdim=True).clamp_min(1e-9)) ** 2)


def reverse(w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
    """A from its end to its start."""
    return w2c.flip(1)


def mirrored(w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
    """The inverse of each motion."""
    return invert(w2c)


def shuffled_reading(w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
    """Each pose read from another frame of A."""
    order = torch.tensor([derangement(w2c.shape[1], name) for name in ids])
    return torch.stack([one[index] for one, index in zip(w2c, order, strict=True)])


def directions(w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
    """The true rotations, and translations of one length."""
    centre = camera_centres(w2c)
    length = centre.norm(dim=-1, keepdim=True)
    return placed(w2c[..., :3, :3], 0.15 * centre / length.clamp_min(1e-9))


def only_turning(w2c: Tensor, ids: tuple[str, ...]) -> Tensor:
    """The true rotations in one place."""
    return placed(w2c[..., :3, :3], torch.zeros_like(camera_centres(w2c)))


def blend(share: float) -> Picture:
    """Mix A's targets in."""
    return lambda shown, targets: torch.lerp(shown, targets, share)


def negative(share: float) -> Picture:
    """Mix the negatives of A's targets in."""
    return lambda shown, targets: torch.lerp(shown, 1 - targets, share)


def thumbnail(side: int, share: float) -> Picture:
    """Mix in A's targets of ``side`` pixels, enlarged."""

    def mixed(shown: Tensor, targets: Tensor) -> Tensor:
        small = adaptive_avg_pool2d(targets.flatten(0, 1), side)
        large = interpolate(small, size=shown.shape[-2:], mode="bilinear").view_as(shown)
        return torch.lerp(shown, large, share)

    return mixed


CHEATS: Mapping[str, Cheat] = {
    "clock": Cheat(clock),
    "one bit": Cheat(one_bit),
    "cubed distances": Cheat(cubed),
    "one length": Cheat(directions),
    "only turning": Cheat(only_turning),
    "backwards": Cheat(reverse),
    "inverse": Cheat(mirrored),
    "shuffled reading": Cheat(shuffled_reading),
    "5 % of A": Cheat(picture=blend(0.05)),
    "5 % of A, still": Cheat(picture=blend(0.05), is_still=True),
    "20 % negative of A": Cheat(picture=negative(0.2)),
    "negative of A": Cheat(picture=negative(1.0)),
    "thumbnail of 8": Cheat(picture=thumbnail(8, 0.2)),
    "thumbnail of 4": Cheat(picture=thumbnail(4, 0.2)),
    "thumbnail of 8, still": Cheat(picture=thumbnail(8, 0.5), is_still=True),
}
