"""Cheats that are tried on protocols that compare pictures: by the clock, by pixels in the pose, or without a pose.

They stand in for a shipped method whose card gives them what they use.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from baselines.controls.cards import (
    ControlOptions,
    CopyContextBaseline,
    CopyTargetBaseline,
    WarpBaseline,
)
from baselines.controls.copies import TimedImages
from baselines.controls.partial_motion import ARC_RADIUS, ARC_STEP_DEG, placed
from baselines.controls.warping import Warp
from evalkit.geometry.rotations import rotation_exp
from evalkit.method import PoseCode, Scene, reference_of
from evalkit.views import Cameras, Views, take_views

# shipped controls that must have no gain
CONTROLS = (
    "copy_context",
    "fade_context",
    "static",
    "static_blurred",
    "mean_context",
    "copy_target",
    "shuffled_poses",
)
Paint = Callable[[Tensor, Tensor], Tensor]  # context [B, C, 3, H, W], what the pose holds [B, T, 3, H, W] -> renders


@dataclass(frozen=True)
class Painter(CopyTargetBaseline):
    """Its pose is the picture; it paints from that and from the context."""

    paint: Paint

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """The whole picture, as far as it is shown."""
        return PoseCode(latent=views.images.flatten(2))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the context."""
        return views.images

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Paint."""
        assert isinstance(scene, Tensor) and poses.latent is not None
        return self.paint(scene, poses.latent.unflatten(2, scene.shape[2:])).clamp(0, 1)


def thumbnail(side: int, levels: int = 256) -> Paint:
    """The picture in so many pixels and grey levels a side, enlarged."""

    def paint(context: Tensor, seen: Tensor) -> Tensor:
        small = adaptive_avg_pool2d(seen.flatten(0, 1), side)
        small = (small * (levels - 1)).round() / (levels - 1)
        return interpolate(small, size=seen.shape[-2:], mode="bilinear").view_as(seen)

    return paint


def nearest_in_left_half(context: Tensor, seen: Tensor) -> Tensor:
    """The context frame whose left half looks most like that of the target."""
    left = seen.shape[-1] // 2
    distance = (seen[:, :, None, ..., :left] - context[:, None, ..., :left]).square().mean((3, 4, 5))
    return take_views(context, distance.argmin(2))


def mixed(context: Tensor, seen: Tensor) -> Tensor:
    """The mixture of context frames whose left half fits that of the target best, by least squares."""
    left = seen.shape[-1] // 2

    def columns(images: Tensor) -> Tensor:
        flat = images.flatten(2).mT  # [B, pixels, C]
        return torch.cat([flat, torch.ones_like(flat[..., :1])], dim=-1)

    weights = torch.linalg.lstsq(columns(context[..., :left]), seen[..., :left].flatten(2).mT).solution
    return (columns(context) @ weights).mT.reshape_as(seen)


def moved_in_the_plane(context: Tensor, seen: Tensor) -> Tensor:
    """The context frame, moved in the picture's plane, whose left half fits that of the target best."""
    left, reach = seen.shape[-1] // 2, seen.shape[-1] // 4
    moves = [(down, right) for down in range(-reach, reach + 1, 2) for right in range(-reach, reach + 1, 2)]
    shifted = torch.cat([torch.roll(context, move, (-2, -1)) for move in moves], dim=1)
    return nearest_in_left_half(shifted, torch.cat([seen[..., :left], seen[..., left:]], dim=-1))


def left_half_and_colour(context: Tensor, seen: Tensor) -> Tensor:
    """The left half as it is, the right half in its mean colour."""
    left = seen.shape[-1] // 2
    colour = seen[..., :left].mean((-1, -2), keepdim=True)
    return torch.cat([seen[..., :left], colour.expand_as(seen[..., left:])], dim=-1)


def repainted(context: Tensor, seen: Tensor) -> Tensor:
    """What the pose shows, in the colours of the scene's context: the mean and spread of each channel are matched."""
    mean, spread = (f(seen, (1, 3, 4)) for f in (_mean, _std))
    own_mean, own_spread = (f(context, (1, 3, 4)) for f in (_mean, _std))
    return (seen - mean) / spread.clamp_min(1e-4) * own_spread + own_mean


def _mean(images: Tensor, over: tuple[int, ...]) -> Tensor:
    return images.mean(over, keepdim=True)


def _std(images: Tensor, over: tuple[int, ...]) -> Tensor:
    return images.std(over, keepdim=True)


@dataclass(frozen=True)
class ByRank(CopyContextBaseline):
    """Knows the order of views alone: a pose is the rank of its view, and pictures fade between neighbours."""

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """Ranks since the reference, where all gaps between context views are as long."""
        position = torch.arange(views.images.shape[1], device=context.device).expand(len(context), -1)
        after = (context[:, None, :] <= position[..., None]).sum(-1) - 1  # rank of the last context view
        start = take_views(context, after)
        end = take_views(context, (after + 1).clamp(max=context.shape[1] - 1))
        rank = after + (position - start) / (end - start).clamp_min(1)
        return PoseCode(latent=(rank - take_views(rank, reference_of(context)[:, None]))[..., None].float())

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep images and ranks."""
        assert poses.latent is not None
        return TimedImages(views.images, poses.latent.squeeze(-1))

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Fade."""
        assert isinstance(scene, TimedImages) and poses.latent is not None
        return scene.faded(poses.latent.squeeze(-1))


class Morph(ByRank):
    """Fades between neighbours by rank, along a smooth flow of pixels that is fitted between the two pictures."""

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Move both neighbours along the flow, each its part of the way, then fade."""
        assert isinstance(scene, TimedImages) and poses.latent is not None
        times = poses.latent.squeeze(-1)
        own = scene.times.contiguous()
        left = (torch.searchsorted(own, times.contiguous(), right=True) - 1).clamp(0, own.shape[1] - 2)
        before, after = (take_views(scene.images, at).flatten(0, 1) for at in (left, left + 1))
        share = ((times - own.gather(1, left)) / (own.gather(1, left + 1) - own.gather(1, left)).clamp_min(1e-9)).clamp(
            0, 1
        )
        part = share.flatten()[:, None, None, None]
        flow = flow_between(before, after)
        shown = torch.lerp(sampled(before, -part * flow), sampled(after, (1 - part) * flow), part)
        return shown.unflatten(0, times.shape)


def flow_between(a: Tensor, b: Tensor, steps: int = 60) -> Tensor:
    """A smooth flow [N, 2, H, W] in pixels that takes pictures a [N, 3, H, W] to b, from coarse to fine, by Adam."""
    flow = a.new_zeros(len(a), 2, 4, 4)
    for side in (4, 8, 16):
        flow = interpolate(flow.detach(), size=(side, side), mode="bilinear").requires_grad_()
        adam = torch.optim.Adam([flow], lr=0.5)
        for _ in range(steps):
            with torch.enable_grad():
                full = interpolate(flow, size=a.shape[-2:], mode="bilinear")
                loss = (sampled(a, -full / 2) - sampled(b, full / 2)).abs().mean((1, 2, 3)).sum()
                rough = (flow.diff(dim=2).square().mean((1, 2, 3)) + flow.diff(dim=3).square().mean((1, 2, 3))).sum()
                (loss + 2e-3 * rough).backward()
            adam.step()
            adam.zero_grad()
    return interpolate(flow.detach(), size=a.shape[-2:], mode="bilinear")


def sampled(images: Tensor, offset: Tensor) -> Tensor:
    """Images [N, 3, H, W] read at each pixel plus an offset [N, 2, H, W] (right, down) in pixels."""
    height, width = images.shape[-2:]
    down, right = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    x, y = (right + offset[:, 0]) / width, (down + offset[:, 1]) / height
    grid = 2 * torch.stack([x, y], dim=-1) - 1
    return torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


class ClockArc(WarpBaseline):
    """Renders as `Warp` does, on one arc for all clips, in equal steps from view to view."""

    def __init__(self) -> None:
        self.warp = Warp(ControlOptions(name="warp"), "cpu")

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """Cameras on the arc by the rank of the view."""
        position = torch.arange(views.images.shape[1], device=context.device).expand(len(context), -1)
        angle = (position - reference_of(context)[:, None]).to(views.images) * math.radians(ARC_STEP_DEG)
        zero = torch.zeros_like(angle)
        centre = ARC_RADIUS * torch.stack([angle.sin(), zero, 1 - angle.cos()], dim=-1)
        w2c = placed(rotation_exp(torch.stack([zero, angle, zero], dim=-1)), centre)
        return PoseCode(cameras=Cameras(w2c, views.intrinsics))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """That of `Warp`, by the true cameras."""
        context = torch.arange(views.images.shape[1], device=views.images.device).expand(len(views.images), -1)
        return self.warp.encode_scene(views, self.warp.encode_poses(views, context))

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """That of `Warp`."""
        return self.warp.render(scene, replace(poses, latent=None))
