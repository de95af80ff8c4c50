"""Controls that use the truth in part, and what a still image can be made of."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from baselines.controls.cards import ControlOptions
from baselines.controls.copies import MeanContext, StaticBlurred
from baselines.controls.partial_motion import FixedMotion, HalfMotion
from baselines.controls.warping import BlendTarget, DepthScene, Warp, plain_background
from evalkit.data.degrade import blurred
from evalkit.geometry.projection import fill_holes, forward_splat
from evalkit.geometry.rotations import rotation_exp
from evalkit.geometry.se3 import camera_centres, motion_exp, rotation_angle_deg
from evalkit.method import Method, PoseCode
from evalkit.views import Cameras, Views

OPTIONS = ControlOptions(name="any")


@pytest.fixture
def rendered_at(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The cameras at which `forward_splat` is asked to render."""
    asked: list[Tensor] = []

    def splat(images: Tensor, depth: Tensor, cameras: Cameras, targets: Cameras) -> tuple[Tensor, Tensor]:
        asked.append(targets.w2c)
        shape = (*targets.w2c.shape[:2], 3, *images.shape[-2:])
        return torch.zeros(shape), torch.ones(shape[0], shape[1], *shape[-2:], dtype=torch.bool)

    monkeypatch.setattr("baselines.controls.warping.forward_splat", splat)
    return asked


def views(count: int = 3) -> Views:
    rng = torch.Generator().manual_seed(0)
    eye = torch.eye(3).expand(1, count, 3, 3)
    return Views(
        torch.rand(1, count, 3, 8, 8, generator=rng),
        ("x",),
        w2c=torch.eye(4).expand(1, count, 4, 4),
        intrinsics=eye,
        depth=torch.ones(1, count, 8, 8),
    )


def render(method: Method, w2c: Tensor) -> Tensor:
    context = views()
    scene = method.encode_scene(context, method.encode_poses(context, torch.tensor([[0, 1, 2]])))
    return method.render(scene, PoseCode(cameras=Cameras(w2c, None)))


def test_half_motion_goes_half_the_way_and_turns_by_half(rendered_at: list[Tensor]) -> None:
    w2c = motion_exp(torch.randn(1, 4, 6, generator=torch.Generator().manual_seed(1)) * 0.5)
    render(HalfMotion(OPTIONS, "cpu"), w2c)
    (half,) = rendered_at
    torch.testing.assert_close(camera_centres(half), camera_centres(w2c) / 2)
    torch.testing.assert_close(rotation_angle_deg(half[..., :3, :3]), rotation_angle_deg(w2c[..., :3, :3]) / 2)


def test_fixed_motion_knows_the_order_alone(rendered_at: list[Tensor]) -> None:
    def clip(places: list[float]) -> Tensor:
        w2c = torch.eye(4).repeat(1, len(places), 1, 1)
        w2c[0, :, 0, 3] = -torch.tensor(places)
        return w2c

    for places in ([0.5, 0.1, 0.0, -0.1, -3.0], [9.0, 2.0, 0.0, -0.5, -0.6], [-1.0, -0.5, 0.0, 0.5, 1.0]):
        render(FixedMotion(OPTIONS, "cpu"), clip(places))
    first, same_order, reverse = rendered_at
    torch.testing.assert_close(first, same_order)
    torch.testing.assert_close(first, reverse.flip(1))
    torch.testing.assert_close(first[:, 2], torch.eye(4)[None])
    step = rotation_exp(torch.deg2rad(torch.tensor([0.0, 4.0, 0.0])))
    torch.testing.assert_close(first[0, 1, :3, :3], step)
    assert (camera_centres(first)[0, :2, 0] > 0).all(), "on the side where the true cameras are"


def test_blend_target_holds_a_fifth_of_the_target() -> None:
    context, method = views(), BlendTarget(OPTIONS, "cpu")
    poses = method.encode_poses(context, torch.tensor([[0, 1, 2]]))
    scene = method.encode_scene(context, poses)
    warped = Warp(OPTIONS, "cpu").render(scene, PoseCode(cameras=poses.cameras))
    torch.testing.assert_close(method.render(scene, poses), 0.8 * warped + 0.2 * context.images)


def test_images_that_do_not_move() -> None:
    context = views()
    for method, image in (
        (StaticBlurred(OPTIONS, "cpu"), blurred(context.images[:, 1], 8 / 32)),
        (MeanContext(OPTIONS, "cpu"), context.images.mean(dim=1)),
    ):
        poses = method.encode_poses(context, torch.tensor([[0, 1, 2]]))
        shown = method.render(method.encode_scene(context, poses), poses)
        torch.testing.assert_close(shown, image[:, None].expand_as(shown))


def object_scene(colours: int) -> tuple[DepthScene, Cameras]:
    """A square of red at depth 2 before ``colours`` colours at infinity, seen from four places; and a fifth."""
    images = torch.rand(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) if colours > 1 else torch.ones(1)
    images = images.expand(1, 4, 3, 32, 32).clone()
    depth = torch.full((1, 4, 32, 32), torch.inf)
    w2c = torch.eye(4, dtype=torch.float64).repeat(1, 5, 1, 1)
    w2c[0, :, 0, 3] = torch.tensor([-0.5, -0.25, 0.25, 0.5, 0.0])
    for view, shift in enumerate((-8, -4, 4, 8)):  # of a focal length of 32 pixels
        images[0, view, :, 8:24, 8 + shift : 24 + shift] = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
        depth[0, view, 8:24, 8 + shift : 24 + shift] = 2.0
    intrinsics = torch.tensor([[32.0, 0, 16], [0, 32, 16], [0, 0, 1]], dtype=torch.float64).expand(1, 5, 3, 3)
    cameras = Cameras(w2c, intrinsics)
    return DepthScene(images, depth, cameras[:, :4]), cameras[:, 4:]


def test_behind_an_object_before_one_colour_warp_leaves_that_colour() -> None:
    scene, target = object_scene(colours=1)
    shown = Warp(OPTIONS, "cpu").render(scene, PoseCode(cameras=target))
    expected = torch.ones(3, 32, 32)
    expected[1:, 8:24, 8:24] = 0
    assert torch.equal(plain_background(scene.images, scene.depth), torch.ones(1, 3))
    error = (shown[0, 0] - expected).abs().amax(0)
    outline = torch.zeros(32, 32, dtype=torch.bool)
    outline[8:24, 8:24] = True
    outline[9:23, 9:23] = False
    assert error[~outline].max() < 1e-6 and error[outline].mean() <= 0.55  # up to half a pixel is taken off


def test_a_scene_is_warped_the_same_whatever_the_background_of_the_others() -> None:
    (plain, target), (mixed, _) = object_scene(colours=1), object_scene(colours=2)
    assert plain_background(mixed.images, mixed.depth).isnan().all()
    both = DepthScene(
        torch.cat([mixed.images, plain.images]),
        torch.cat([mixed.depth, plain.depth]),
        Cameras(plain.cameras.w2c.expand(2, -1, -1, -1), plain.cameras.intrinsics.expand(2, -1, -1, -1)),
    )
    targets = Cameras(target.w2c.expand(2, -1, -1, -1), target.intrinsics.expand(2, -1, -1, -1))
    warp = Warp(OPTIONS, "cpu")
    together = warp.render(both, PoseCode(cameras=targets))
    for row, scene in enumerate((mixed, plain)):
        assert torch.equal(together[row : row + 1], warp.render(scene, PoseCode(cameras=target)))
    filled = fill_holes(*forward_splat(mixed.images, mixed.depth, mixed.cameras, target))
    assert torch.equal(together[:1], filled)
