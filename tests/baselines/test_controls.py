"""Controls that use the truth in part, and what a still image can be made of."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from baselines.controls.cards import ControlOptions
from baselines.controls.copies import MeanContext, StaticBlurred
from baselines.controls.partial_motion import FixedMotion, HalfMotion
from baselines.controls.warping import BlendTarget, Warp
from evalkit.data.degrade import blurred
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
