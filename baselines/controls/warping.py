"""Controls that render by true depth and cameras: the geometric upper bound, and the same at permuted poses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from baselines.controls.cards import BlendTargetBaseline, ControlOptions, ShuffledPosesBaseline, WarpBaseline
from evalkit.geometry.projection import fill_holes, forward_splat
from evalkit.geometry.se3 import relative_to
from evalkit.method import PoseCode, Scene, reference_of
from evalkit.seeds import generator
from evalkit.views import Cameras, Views, take_views

PLAIN = 0.02  # a background is of one colour if most of it differs by less from its median, in every channel
SURROUNDINGS = 16  # of a side: a hole is filled where most of a square of so small a part around it is known


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

        Behind an object before one colour at infinity they are filled with that colour (`before_background`).

        A transferred pose has no intrinsics; those of the scene's reference are used then.
        """
        assert isinstance(scene, DepthScene) and poses.cameras is not None
        assert scene.cameras.intrinsics is not None
        intrinsics = poses.cameras.intrinsics
        if intrinsics is None:
            middle = scene.cameras.intrinsics.shape[1] // 2
            intrinsics = scene.cameras.intrinsics[:, middle : middle + 1].expand(-1, poses.cameras.w2c.shape[1], -1, -1)
        target = Cameras(poses.cameras.w2c, intrinsics)
        background = plain_background(scene.images, scene.depth)
        is_plain = background.isfinite().all(-1)
        shown = torch.empty(*target.w2c.shape[:2], *scene.images.shape[2:]).to(scene.images)
        for rows in (torch.nonzero(~is_plain)[:, 0], torch.nonzero(is_plain)[:, 0]):
            if len(rows):
                part = DepthScene(scene.images[rows], scene.depth[rows], scene.cameras[rows])
                warped = before_background if is_plain[rows[0]] else _filled
                shown = shown.index_copy(0, rows, warped(part, target[rows], background[rows]))
        return shown


def _filled(scene: DepthScene, target: Cameras, background: Tensor) -> Tensor:
    return fill_holes(*forward_splat(scene.images, scene.depth, scene.cameras, target))


def plain_background(images: Tensor, depth: Tensor) -> Tensor:
    """The one colour [B, 3] that lies at infinity behind context images [B, C, 3, H, W] of depth [B, C, H, W].

    NaN where nothing lies there, or several colours do. Pixels beside the object are mixed with its colours: up to half
    of what lies at infinity may differ.
    """
    far = depth.isinf()[:, :, None]
    colours = torch.where(far, images, torch.nan).movedim(2, 1).flatten(2)  # [B, 3, C H W]
    middle = colours.nanmedian(-1).values
    differs = ((colours - middle[..., None]).abs() > PLAIN).any(1).sum(-1)
    return torch.where((2 * differs < far.sum((1, 2, 3, 4)))[:, None], middle, torch.nan)


def before_background(scene: DepthScene, target: Cameras, background: Tensor) -> Tensor:
    """Warp an object before a background of one colour [B, 3], with outlines where they belong.

    Pixels at infinity are left out: those beside the object hold its colours. At twice the resolution an object is
    spread by half a pixel only, which is then taken off. Holes are filled where most of their surroundings are known.
    """
    fine = DepthScene(
        _doubled(scene.images),
        _doubled(scene.depth).masked_fill(_doubled(scene.depth.isinf()), torch.nan),
        scene.cameras,
    )
    images, hit = forward_splat(fine.images, fine.depth, _finer(scene.cameras), _finer(target))
    side = 2 * (images.shape[-1] // (2 * SURROUNDINGS)) + 1
    known = avg_pool2d(hit.flatten(0, 1).float(), side, 1, side // 2, count_include_pad=False).view(hit.shape)
    is_shown = hit | (known > 0.5)
    is_outside = max_pool2d((~is_shown).flatten(0, 1).float(), 3, 1, 1).view(hit.shape) > 0
    shown = torch.where(is_outside[:, :, None], background[:, None, :, None, None], fill_holes(images, hit))
    return avg_pool2d(shown.flatten(0, 1), 2).view(*shown.shape[:3], *scene.images.shape[-2:])


def _doubled(images: Tensor) -> Tensor:
    return images.repeat_interleave(2, -1).repeat_interleave(2, -2)


def _finer(cameras: Cameras) -> Cameras:
    """Cameras of images of twice the size."""
    assert cameras.intrinsics is not None
    return replace(cameras, intrinsics=cameras.intrinsics * cameras.intrinsics.new_tensor([[2.0], [2.0], [1.0]]))


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
