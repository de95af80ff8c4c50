"""Controls that show one of the frames they are given, whatever view is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.controls.cards import (
    ControlOptions,
    CopyContextBaseline,
    CopyTargetBaseline,
    FadeContextBaseline,
    MeanContextBaseline,
    StaticBaseline,
    StaticBlurredBaseline,
)
from evalkit.data.degrade import softened
from evalkit.method import PoseCode, Scene, reference_of
from evalkit.views import Views, take_views


@dataclass(frozen=True)
class TimedImages:
    """A scene that consists of its context images [B, C, 3, H, W] and their times [B, C]."""

    images: Tensor
    times: Tensor

    def nearest(self, times: Tensor) -> Tensor:
        """Return the images [B, T, 3, H, W] nearest to ``times`` [B, T], the earlier of two."""
        distance = (times[..., None] - self.times[:, None, :]).abs()
        return take_views(self.images, distance.argmin(dim=-1))

    def faded(self, times: Tensor) -> Tensor:
        """Return images [B, T, 3, H, W] between those before and after ``times`` [B, T]; outside, the nearest end.

        Times of the scene are in order.
        """
        own = self.times.to(times.dtype).contiguous()
        left = (torch.searchsorted(own, times.contiguous(), right=True) - 1).clamp(0, max(own.shape[1] - 2, 0))
        right = (left + 1).clamp(max=own.shape[1] - 1)
        before, after = own.gather(1, left), own.gather(1, right)
        share = ((times - before) / (after - before).clamp_min(1e-9)).clamp(0, 1).to(self.images.dtype)
        earlier, later = (take_views(self.images, position) for position in (left, right))
        return torch.lerp(earlier, later, share[..., None, None, None])


def reference_image(views: Views) -> Tensor:
    """Return the image [B, 3, H, W] of the reference: the middle one of the context views [B, C]."""
    return views.images[:, views.images.shape[1] // 2]


def repeated(image: Tensor, count: int) -> Tensor:
    """Return the image [B, 3, H, W] for each of ``count`` targets, [B, T, 3, H, W]."""
    return image[:, None].expand(-1, count, -1, -1, -1)


class ByTime:
    """Knows the time of each view; a pose is the time since the reference frame."""

    def __init__(self, options: ControlOptions, device: str) -> None:
        pass

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """A pose is the time since the reference frame, in frames."""
        assert views.frame_numbers is not None
        reference = take_views(views.frame_numbers, reference_of(context)[:, None])
        return PoseCode(latent=(views.frame_numbers - reference).unsqueeze(-1))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the images with their times."""
        assert poses.latent is not None
        return TimedImages(views.images, poses.latent.squeeze(-1))


class CopyContext(CopyContextBaseline, ByTime):
    """Shows the context frame nearest in time to the target."""

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Return the image nearest in time, the earlier of two."""
        assert isinstance(scene, TimedImages) and poses.latent is not None
        return scene.nearest(poses.latent.squeeze(-1))


class FadeContext(FadeContextBaseline, ByTime):
    """Fades in time between context frames."""

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Return a mixture of the images before and after each target, by the time to each."""
        assert isinstance(scene, TimedImages) and poses.latent is not None
        return scene.faded(poses.latent.squeeze(-1).to(scene.images.dtype))


class OneImage:
    """Shows one image of the scene at every pose; its poses hold nothing."""

    def __init__(self, options: ControlOptions, device: str) -> None:
        pass

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """A pose is one zero."""
        return PoseCode(latent=views.images.new_zeros(*views.images.shape[:2], 1))

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Return the scene's image for every pose."""
        assert isinstance(scene, Tensor) and poses.latent is not None
        return repeated(scene, poses.latent.shape[1])


class Static(StaticBaseline, OneImage):
    """Shows the reference frame at every pose."""

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the reference frame."""
        return reference_image(views)


class StaticBlurred(StaticBlurredBaseline, OneImage):
    """Shows the blurred reference frame at every pose."""

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the reference frame, blurred."""
        return softened(reference_image(views))


class MeanContext(MeanContextBaseline, OneImage):
    """Shows the mean of the context frames at every pose."""

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the mean of the context."""
        return views.images.mean(dim=1)


class CopyTarget(CopyTargetBaseline):
    """Carries the target image inside its pose."""

    def __init__(self, options: ControlOptions, device: str) -> None:
        pass

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """A pose is the whole image."""
        return PoseCode(latent=views.images.flatten(2))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the shape of an image."""
        return views.images.shape[2:]

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Return the image that the pose holds."""
        assert poses.latent is not None
        return poses.latent.reshape(*poses.latent.shape[:2], *scene)
