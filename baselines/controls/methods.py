"""Controls: methods that would game a protocol, and the geometric upper bound. Docs: docs/controls.md."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from evalkit.card import Card, Need, PoseKind, TargetPose
from evalkit.config.options import ComponentOptions
from evalkit.geometry.projection import fill_holes, forward_splat
from evalkit.geometry.se3 import relative_to
from evalkit.method import PoseCode, Scene, reference_of
from evalkit.seeds import generator
from evalkit.views import Cameras, Views, take_views


class ControlOptions(ComponentOptions):
    """A control has nothing to set."""


@dataclass(frozen=True)
class _Album:
    """A scene that is nothing but its context images [B, C, 3, H, W] and their times [B, C]."""

    images: Tensor
    times: Tensor


class CopyContext:
    """Shows the context frame nearest in time to the target: looks perfect, has no idea of pose."""

    Options = ControlOptions
    card = Card(
        name="copy_context",
        summary="the context frame nearest in time",
        pose=PoseKind.LATENT,
        target_poses=(TargetPose.GIVEN, TargetPose.TRANSFER),
        needs=frozenset({Need.FRAME_NUMBERS}),
    )

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
        return _Album(views.images, poses.latent.squeeze(-1))

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Return the image nearest in time, the earlier of two."""
        assert isinstance(scene, _Album) and poses.latent is not None
        distance = (poses.latent - scene.times[:, None, :]).abs()
        return take_views(scene.images, distance.argmin(dim=-1))


class Static:
    """Shows the reference frame whatever the pose: the camera that never moves."""

    Options = ControlOptions
    card = Card(
        name="static",
        summary="the reference frame, always",
        pose=PoseKind.LATENT,
        target_poses=(TargetPose.GIVEN, TargetPose.TRANSFER),
    )

    def __init__(self, options: ControlOptions, device: str) -> None:
        pass

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """A pose says nothing."""
        return PoseCode(latent=views.images.new_zeros(*views.images.shape[:2], 1))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the middle context frame."""
        return views.images[:, views.images.shape[1] // 2]

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Return it for every pose."""
        assert isinstance(scene, Tensor) and poses.latent is not None
        return scene[:, None].expand(-1, poses.latent.shape[1], -1, -1, -1)


class CopyTarget:
    """Smuggles the target image through its pose: a perfect score wherever pixels may pass that way."""

    Options = ControlOptions
    card = Card(
        name="copy_target",
        summary="the target image itself, carried in its pose",
        pose=PoseKind.LATENT,
        target_poses=(TargetPose.JOINT, TargetPose.CONTEXT_ONLY, TargetPose.TRANSFER),
    )

    def __init__(self, options: ControlOptions, device: str) -> None:
        pass

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """A pose is the whole image."""
        return PoseCode(latent=views.images.flatten(2))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Only the image size matters."""
        return views.images.shape[2:]

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Unpack the image from the pose."""
        assert poses.latent is not None
        return poses.latent.reshape(*poses.latent.shape[:2], *scene)


@dataclass(frozen=True)
class _DepthScene:
    """Context images, depth [B, C, H, W] and cameras relative to the reference."""

    images: Tensor
    depth: Tensor
    cameras: Cameras


class Warp:
    """Moves context pixels by true depth and cameras: what geometry alone can reach, the upper bound."""

    Options = ControlOptions
    card = Card(
        name="warp",
        summary="context pixels moved by true depth and cameras",
        pose=PoseKind.SE3,
        target_poses=(TargetPose.GIVEN, TargetPose.TRANSFER, TargetPose.ALIGNED_SE3, TargetPose.ALIGNED_FREE),
        needs=frozenset({Need.CAMERAS, Need.INTRINSICS, Need.DEPTH}),
    )

    def __init__(self, options: ControlOptions, device: str) -> None:
        pass

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """The true cameras, relative to the reference."""
        assert views.w2c is not None
        reference = take_views(views.w2c, reference_of(context)[:, None])[:, 0]
        return PoseCode(cameras=Cameras(relative_to(views.w2c, reference), views.intrinsics))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep images, depth and cameras of the context."""
        assert views.depth is not None and poses.cameras is not None
        return _DepthScene(views.images, views.depth, poses.cameras)

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Splat every context pixel; fill what no context frame shows from its surroundings.

        A transferred pose brings no lens; the scene's reference lens is used then.
        """
        assert isinstance(scene, _DepthScene) and poses.cameras is not None
        assert scene.cameras.intrinsics is not None
        intrinsics = poses.cameras.intrinsics
        if intrinsics is None:
            middle = scene.cameras.intrinsics.shape[1] // 2
            intrinsics = scene.cameras.intrinsics[:, middle : middle + 1].expand(-1, poses.cameras.w2c.shape[1], -1, -1)
        images, hit = forward_splat(scene.images, scene.depth, scene.cameras, Cameras(poses.cameras.w2c, intrinsics))
        return fill_holes(images, hit)


@dataclass(frozen=True)
class _NamedScene:
    """A scene of the inner method, with the sample ids that seed the shuffling."""

    scene: Scene
    sample_ids: tuple[str, ...]


class ShuffledPoses:
    """Renders as `warp` does, but at each other's poses: good pictures from the wrong place."""

    Options = ControlOptions
    card = replace(
        Warp.card,
        name="shuffled_poses",
        summary="warp, with the target poses permuted",
        target_poses=(TargetPose.GIVEN, TargetPose.TRANSFER),
    )

    def __init__(self, options: ControlOptions, device: str) -> None:
        self.inner = Warp(options, device)

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """As `warp`."""
        return self.inner.encode_poses(views, context)

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """As `warp`."""
        return _NamedScene(self.inner.encode_scene(views, poses), views.sample_ids)

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Permute the poses so that none stays in its place, then render; the sample id seeds the order."""
        assert isinstance(scene, _NamedScene) and poses.cameras is not None
        count = poses.cameras.w2c.shape[1]
        order = torch.tensor([_derangement(count, sample_id) for sample_id in scene.sample_ids])
        return self.inner.render(scene.scene, poses.take(order.to(poses.cameras.w2c.device)))


class Standing:
    """Says that the camera never moves, with cameras instead of latents; shows the reference frame."""

    Options = ControlOptions
    card = Card(
        name="standing",
        summary="all cameras equal: no motion at all",
        pose=PoseKind.SE3,
        target_poses=(TargetPose.GIVEN, TargetPose.JOINT, TargetPose.CONTEXT_ONLY, TargetPose.TRANSFER),
    )

    def __init__(self, options: ControlOptions, device: str) -> None:
        pass

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """Every camera is the reference."""
        batch, count = views.images.shape[:2]
        return PoseCode(cameras=Cameras(torch.eye(4, device=views.images.device).repeat(batch, count, 1, 1), None))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the middle context frame."""
        return views.images[:, views.images.shape[1] // 2]

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Return it for every pose."""
        assert isinstance(scene, Tensor) and poses.cameras is not None
        return scene[:, None].expand(-1, poses.cameras.w2c.shape[1], -1, -1, -1)


class Dolly:
    """Says that the camera rolls straight ahead at constant speed: the prior that sign-folded errors reward."""

    Options = ControlOptions
    card = replace(
        Standing.card,
        name="dolly",
        summary="a straight dolly forward, by frame number",
        needs=frozenset({Need.FRAME_NUMBERS}),
    )

    def __init__(self, options: ControlOptions, device: str) -> None:
        pass

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """One unit forward a frame, from the reference on."""
        assert views.frame_numbers is not None
        reference = take_views(views.frame_numbers, reference_of(context)[:, None])
        w2c = torch.eye(4, device=views.images.device).repeat(*views.images.shape[:2], 1, 1)
        w2c[..., 2, 3] = (reference - views.frame_numbers).to(w2c)
        return PoseCode(cameras=Cameras(w2c, None))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the images with how far back each camera stands."""
        assert poses.cameras is not None
        return _Album(views.images, poses.cameras.w2c[..., 2, 3])

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Return the image of the nearest camera, the earlier of two."""
        assert isinstance(scene, _Album) and poses.cameras is not None
        distance = (poses.cameras.w2c[..., 2, 3, None] - scene.times[:, None, :]).abs()
        return take_views(scene.images, distance.argmin(dim=-1))


def _derangement(count: int, sample_id: str) -> list[int]:
    """A random permutation without fixed points; a single pose can only stay."""
    cycle = generator("shuffled_poses", sample_id).permutation(count)
    order = [0] * count
    for here, there in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
        order[int(here)] = int(there)
    return order
