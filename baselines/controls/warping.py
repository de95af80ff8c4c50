"""Controls that render by true depth and cameras: the geometric upper bound, and the same at permuted poses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from baselines.controls.cards import BlendTargetBaseline, ControlOptions, ShuffledPosesBaseline, WarpBaseline
from evalkit.geometry.projection import fill_holes, forward_splat
from evalkit.geometry.se3 import relative_to
from evalkit.method import PoseCode, Scene, reference_of
from evalkit.seeds import generator
from evalkit.views import Cameras, Views, take_views


@dataclass(frozen=True)
class DepthScene:
    """Context images [B, C, 3, H, W], depth [B, C, H, W] and cameras [B, C] relative to the reference."""

    images: Tensor
    depth: Tensor
    cameras: Cameras


class Warping:
    """Moves context pixels by depth and cameras."""

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
        return DepthScene(views.images, views.depth, poses.cameras)

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Splat every context pixel; fill pixels that no context frame shows from their surroundings.

        A transferred pose has no intrinsics; those of the scene's reference are used then.
        """
        assert isinstance(scene, DepthScene) and poses.cameras is not None
        assert scene.cameras.intrinsics is not None
        intrinsics = poses.cameras.intrinsics
        if intrinsics is None:
            middle = scene.cameras.intrinsics.shape[1] // 2
            intrinsics = scene.cameras.intrinsics[:, middle : middle + 1].expand(-1, poses.cameras.w2c.shape[1], -1, -1)
        images, hit = forward_splat(scene.images, scene.depth, scene.cameras, Cameras(poses.cameras.w2c, intrinsics))
        return fill_holes(images, hit)


class Warp(WarpBaseline, Warping):
    """Moves context pixels by true depth and cameras."""


@dataclass(frozen=True)
class ShuffledScene:
    """A scene of `Warp`, and the B sample ids that seed the order of the poses."""

    scene: Scene
    sample_ids: tuple[str, ...]


class ShuffledPoses(ShuffledPosesBaseline):
    """Renders as `Warp` does, with the target poses of each sample permuted."""

    def __init__(self, options: ControlOptions, device: str) -> None:
        self.warp = Warp(options, device)

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """As `Warp`."""
        return self.warp.encode_poses(views, context)

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """As `Warp`."""
        return ShuffledScene(self.warp.encode_scene(views, poses), views.sample_ids)

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Permute the poses so that none stays in its place, then render; the sample id seeds the order."""
        assert isinstance(scene, ShuffledScene) and poses.cameras is not None
        count = poses.cameras.w2c.shape[1]
        order = torch.tensor([derangement(count, sample_id) for sample_id in scene.sample_ids])
        return self.warp.render(scene.scene, poses.take(order.to(poses.cameras.w2c.device)))


def derangement(count: int, sample_id: str) -> list[int]:
    """Return a random permutation without fixed points, seeded by the sample id; a single pose stays in its place."""
    cycle = generator("shuffled_poses", sample_id).permutation(count)
    order = [0] * count
    for position, successor in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
        order[int(position)] = int(successor)
    return order


class BlendTarget(BlendTargetBaseline, Warping):
    """Renders as `Warp` does, and mixes in the target image, which the pose carries beside the camera."""

    share = 0.2  # of the target image

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """The true cameras, and the whole images beside them."""
        return replace(super().encode_poses(views, context), latent=views.images.flatten(2))

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Mix the warped image with the image that the pose holds."""
        assert poses.latent is not None
        warped = super().render(scene, PoseCode(cameras=poses.cameras))
        return torch.lerp(warped, poses.latent.reshape(warped.shape), self.share)
