"""Cheats that are tried on `object` beside the shipped controls: turns that are guessed, and painted backgrounds.

`EqualSteps` finds the true shape of what each context frame shows, and guesses only where it was taken. Its card is
that of a method with cameras of its own, so that it is steered to the targets. The others are given what the baseline
they stand in for is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from baselines.controls.cards import ControlOptions, StaticBaseline, WarpBaseline
from baselines.controls.copies import CopyContext, MeanContext, Static, TimedImages
from baselines.controls.partial_motion import placed
from baselines.controls.warping import DepthScene, Warp, Warping
from evalkit.card import Card, Need, PoseKind, TargetPose
from evalkit.geometry.rotations import rotation_exp
from evalkit.geometry.se3 import camera_centres, rotation_angle_deg
from evalkit.method import PoseCode, Scene
from evalkit.views import Cameras, Views, take_views

OPTIONS = ControlOptions(name="cheat")
DISTANCE = 1.7  # from the camera to the middle of the object: a method may know it, the unit is taken from the data
ELEVATION_DEG = 20.0  # the mean of those of the worlds
BLANK = 0.1  # pixels that differ by less from white are background
Paint = Callable[[Tensor, Tensor], Tensor]  # renders [B, T, 3, H, W] and the object's colour [B, 1, 3, 1, 1] -> painted


def filled(renders: Tensor, colour: Tensor) -> Tensor:
    """The background in the mean colour of the object."""
    return torch.where((1 - renders).amax(2, keepdim=True) < BLANK, colour, renders)


def veiled(renders: Tensor, colour: Tensor) -> Tensor:
    """The background in a grey that is just no background: easy pixels, which would thin out an error over a union."""
    return torch.where((1 - renders).amax(2, keepdim=True) < BLANK, 0.89, renders)


def softened(renders: Tensor, colour: Tensor) -> Tensor:
    """Everything blurred by a box of five pixels."""
    return avg_pool2d(renders.flatten(0, 1), 5, 1, 2, count_include_pad=False).view(renders.shape)


def on_sphere(rotation: Tensor) -> Tensor:
    """Cameras w2c [..., 4, 4] of rotations [..., 3, 3] that see the middle of the object where the reference does."""
    middle = torch.tensor([0.0, 0.0, DISTANCE]).to(rotation)
    return placed(rotation, middle - rotation.mT @ middle)


@dataclass(frozen=True)
class _Painted:
    scene: Scene
    colour: Tensor


class EqualSteps(Warping):
    """Cameras at equal steps on a circle, in the order of the frames, with the true depth of every frame.

    ``is_centred``: targets are put on the sphere about the middle of the object, by their true rotation alone, so that
    the unit, which is found by wrong cameras, does not matter.
    """

    card = Card(
        name="equal_steps",
        summary="cameras at equal steps around a turn",
        pose=PoseKind.SE3,
        target_poses=(TargetPose.CONTEXT_ONLY,),
        needs=frozenset({Need.INTRINSICS, Need.DEPTH}),
    )

    def __init__(self, turn_deg: float = 360.0, paint: Paint | None = None, is_centred: bool = False) -> None:
        self.turn_deg, self.paint, self.is_centred = turn_deg, paint, is_centred

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """Relative to the reference, whose camera looks at the middle of the object from `ELEVATION_DEG` above."""
        count = views.images.shape[1]
        angle = (torch.arange(count) - count // 2).to(views.images) * math.radians(self.turn_deg) / count
        lift = self.elevation(views)
        # the axis of the turn [B, 3] in the reference camera
        axis = torch.stack([torch.zeros_like(lift), lift.cos(), lift.sin()], dim=-1).to(angle)
        rotation = rotation_exp(angle[:, None] * axis[:, None])
        return PoseCode(cameras=Cameras(on_sphere(rotation), views.intrinsics))

    def elevation(self, views: Views) -> Tensor:
        """The camera's height above the object [B], in radians."""
        return torch.full((len(views.images),), math.radians(ELEVATION_DEG))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """That of `Warp`, with the mean colour of the object."""
        assert views.depth is not None
        is_object = views.depth.isfinite()[:, :, None]
        colour = (views.images * is_object).sum((1, 3, 4)) / is_object.sum((1, 3, 4))
        return _Painted(super().encode_scene(views, poses), colour[:, None, :, None, None])

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """As `Warp`, then painted over."""
        assert isinstance(scene, _Painted)
        if self.is_centred:
            assert poses.cameras is not None
            poses = PoseCode(cameras=replace(poses.cameras, w2c=on_sphere(poses.cameras.w2c[..., :3, :3])))
        renders = super().render(scene.scene, poses)
        return self.paint(renders, scene.colour) if self.paint else renders


class KnownElevation(EqualSteps):
    """Equal steps at the true height: all that an even turn leaves to guess."""

    card = replace(EqualSteps.card, needs=frozenset({Need.INTRINSICS, Need.DEPTH, Need.CAMERAS}))

    def elevation(self, views: Views) -> Tensor:
        """That of the true cameras, which look at the origin."""
        assert views.w2c is not None
        centre = camera_centres(views.w2c).mean(1)
        return (centre[:, 2] / DISTANCE).clamp(-1, 1).asin()


class OneView(EqualSteps):
    """Warps the reference frame alone, whose camera is no guess."""

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the reference."""
        middle = torch.full((len(views.images), 1), views.images.shape[1] // 2)
        return super().encode_scene(views.take(middle), poses.take(middle))


class Fade(CopyContext):
    """Fades from the context frame before a target to the one after it, by time."""

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Mix the two neighbours."""
        assert isinstance(scene, TimedImages) and poses.latent is not None
        passed = (poses.latent.squeeze(-1)[..., None] - scene.times[:, None, :]).float()  # [B, T, C]
        before = torch.where(passed >= 0, passed, torch.inf).min(-1)
        after = torch.where(passed <= 0, -passed, torch.inf).min(-1)
        share = (before.values / (before.values + after.values))[..., None, None, None]
        return torch.lerp(take_views(scene.images, before.indices), take_views(scene.images, after.indices), share)


class NearestCamera(Warp):
    """Shows the context frames whose true cameras are turned least from the target's, by inverse angle."""

    def __init__(self, count: int) -> None:
        self.count = count

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Mix the nearest ``count`` frames."""
        assert isinstance(scene, DepthScene) and poses.cameras is not None
        turns = poses.cameras.w2c[:, :, None, :3, :3] @ scene.cameras.w2c[:, None, :, :3, :3].mT
        near = rotation_angle_deg(turns.double()).topk(self.count, dim=-1, largest=False)
        weight = 1 / near.values.clamp_min(0.1)
        weight = (weight / weight.sum(-1, keepdim=True)).to(scene.images)
        shown = torch.stack([take_views(scene.images, near.indices[..., i]) for i in range(self.count)])
        return (shown * weight.movedim(-1, 0)[..., None, None, None]).sum(0)


class Flat(Warp):
    """Warps the two nearest frames as pictures on a plane through the middle of the object: no shape, true cameras."""

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """One depth for all pixels of the object in a frame."""
        assert views.depth is not None
        flat = torch.where(views.depth.isfinite(), views.depth, torch.nan).flatten(2).nanmedian(-1).values
        depth = torch.where(views.depth.isfinite(), flat[..., None, None], torch.inf)
        return super().encode_scene(replace(views, depth=depth), poses)


class Thumbnail(StaticBaseline):
    """Carries a target of four by four pixels in its pose: where the target is hidden, a NaN."""

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """A pose is the small image."""
        small = avg_pool2d(views.images.flatten(0, 1), views.images.shape[-1] // 4)
        return PoseCode(latent=small.view(*views.images.shape[:2], -1))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Nothing but the size."""
        return views.images.shape[-1]

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Enlarge the small image."""
        assert poses.latent is not None
        small = poses.latent.reshape(*poses.latent.shape[:2], 3, 4, 4)
        return small.repeat_interleave(scene // 4, -1).repeat_interleave(scene // 4, -2)


class Painted(Static):
    """The reference frame, or white, with a painted background."""

    def __init__(self, paint: Paint) -> None:
        self.paint = paint

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """The painted reference frame; its darker pixels give the object's colour."""
        image = views.images[:, views.images.shape[1] // 2][:, None]
        is_object = ((1 - image).amax(2, keepdim=True) >= BLANK).to(image)
        colour = (image * is_object).sum((3, 4), keepdim=True) / is_object.sum((3, 4), keepdim=True).clamp_min(1)
        return self.paint(image, colour)[:, 0]


class Cutout(MeanContext):
    """The mean of the context frames, white where it is light: a sharp outline for a blurred guess."""

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """The mean, cut out."""
        mean = views.images.mean(1)
        return torch.where((1 - mean).amax(1, keepdim=True) < 0.35, 1.0, mean)


def one_colour(renders: Tensor, colour: Tensor) -> Tensor:
    """The object's mean colour everywhere."""
    return colour.expand_as(renders)


# Cheats by name: the method, and the baseline whose card it is planned with.
CHEATS: Mapping[str, tuple[object, str]] = {
    "equal steps": (EqualSteps(), "no_motion"),
    "equal steps, half a turn": (EqualSteps(180.0), "no_motion"),
    "equal steps, backwards": (EqualSteps(-360.0), "no_motion"),
    "equal steps, filled": (EqualSteps(paint=filled), "no_motion"),
    "equal steps, veiled": (EqualSteps(paint=veiled), "no_motion"),
    "equal steps, blurred": (EqualSteps(paint=softened), "no_motion"),
    "equal steps, true height": (KnownElevation(), "no_motion"),
    "true height, filled": (KnownElevation(paint=filled), "no_motion"),
    "equal steps, centred": (EqualSteps(is_centred=True), "no_motion"),
    "half a turn, centred": (EqualSteps(180.0, is_centred=True), "no_motion"),
    "half a turn, centred, filled": (EqualSteps(180.0, filled, is_centred=True), "no_motion"),
    "one view, centred": (OneView(is_centred=True), "no_motion"),
    "static, filled": (Painted(filled), "static"),
    "static, veiled": (Painted(veiled), "static"),
    "one colour": (Painted(one_colour), "static"),
    "mean, cut out": (Cutout(OPTIONS, "cpu"), "mean_context"),
    "thumbnail of 4": (Thumbnail(), "static"),
    "fade by time": (Fade(OPTIONS, "cpu"), "copy_context"),
    "nearest camera": (NearestCamera(1), WarpBaseline.card.name),
    "two nearest cameras": (NearestCamera(2), WarpBaseline.card.name),
    "flat, true cameras": (Flat(OPTIONS, "cpu"), WarpBaseline.card.name),
}
