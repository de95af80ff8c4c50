"""Forward warping and visibility against a scene that the test ray-casts itself: a ball before a wall or the void."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.geometry.projection import fill_holes, forward_splat, visibility
from evalkit.geometry.rays import world_rays
from evalkit.metrics.image import masked_psnr, psnr
from evalkit.views import Cameras

SIZE = 128
INTRINSICS = torch.tensor([[110.0, 0, 64], [0, 110, 64], [0, 0, 1]], dtype=torch.float64)
BALL, RADIUS = torch.tensor([0.0, 0, 3], dtype=torch.float64), 0.7


def looking_at_ball(*centres: tuple[float, float, float]) -> Cameras:
    """Cameras [N] at these centres, turned towards the ball."""
    centre = torch.tensor(centres, dtype=torch.float64)
    forward = torch.nn.functional.normalize(BALL - centre, dim=-1)
    right = torch.nn.functional.normalize(torch.linalg.cross(torch.tensor([[0.0, 1, 0]]).double(), forward), dim=-1)
    w2c = torch.eye(4, dtype=torch.float64).repeat(len(centre), 1, 1)
    w2c[:, :3, :3] = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)
    w2c[:, :3, 3:] = -w2c[:, :3, :3] @ centre[:, :, None]
    return Cameras(w2c, INTRINSICS.expand(len(centre), 3, 3))


def ray_cast(cameras: Cameras, wall: float = 4.0) -> tuple[Tensor, Tensor]:
    """Images [N, 3, H, W] and depth [N, H, W] of a ball before a smoothly textured wall at z = ``wall``."""
    assert cameras.intrinsics is not None
    origin, direction = world_rays(cameras.w2c, cameras.intrinsics, SIZE, SIZE)
    origin = origin[:, None, None]
    to_wall = (wall - origin[..., 2]) / direction[..., 2]
    a, b = direction.square().sum(-1), (direction * (origin - BALL)).sum(-1)
    inner = b.square() - a * ((origin - BALL).square().sum(-1) - RADIUS**2)
    to_ball = torch.where(inner > 0, (-b - inner.clamp_min(0).sqrt()) / a, torch.inf)
    depth = torch.minimum(to_wall, to_ball)
    # what lies at infinity is painted by direction
    place = torch.where(
        depth.isinf()[..., None],
        4 * torch.nn.functional.normalize(direction, dim=-1),
        origin + depth[..., None] * direction,
    )
    waves = [
        0.5 + 0.25 * torch.sin(6 * place[..., 0] + k) + 0.2 * torch.cos(7 * place[..., 1] + 2 * k) for k in range(3)
    ]
    images = torch.stack(waves, dim=1) * torch.where(to_ball < to_wall, 1.0, 0.6)[:, None]
    return images.float(), depth.float()


CONTEXT = looking_at_ball((-0.8, 0, 0), (-0.4, 0.1, 0), (0.1, 0, 0), (0.4, -0.1, 0), (0.8, 0, 0))
TARGET = looking_at_ball((-0.6, 0.2, 0.3), (0.25, -0.2, 0), (0, 0, 1), (0.6, 0.1, -0.5))


def batched(cameras: Cameras) -> Cameras:
    return cameras[None]


def test_warp_by_true_geometry_matches_the_ray_caster_where_the_context_sees() -> None:
    (images, depth), (truth, true_depth) = ray_cast(CONTEXT), ray_cast(TARGET)
    rendered, hit = forward_splat(images[None], depth[None], batched(CONTEXT), batched(TARGET))
    visible = visibility(true_depth, TARGET, depth, CONTEXT)
    assert (visible.float().mean((1, 2)) > 0.9).all()
    assert (hit[0] & visible).sum() > 0.999 * visible.sum()
    filled = fill_holes(rendered, hit)[0]
    assert (masked_psnr(filled, truth, visible) > 28).all()
    assert (psnr(filled, truth) > 25).all()


def test_a_view_from_half_the_distance_has_no_cracks() -> None:
    images, depth = ray_cast(CONTEXT[2:3])
    near = looking_at_ball((0.05, 0, 1.0))
    rendered, hit = forward_splat(images[None], depth[None], batched(CONTEXT[2:3]), batched(near))
    assert hit[..., 2:-2, 2:-2].float().mean() > 0.999
    assert psnr(fill_holes(rendered, hit)[0], ray_cast(near)[0]).item() > 28


def test_warping_a_view_onto_itself_is_the_identity() -> None:
    images, depth = ray_cast(CONTEXT[:1], wall=torch.inf)
    rendered, hit = forward_splat(images[None], depth[None], batched(CONTEXT[:1]), batched(CONTEXT[:1]))
    assert hit.all()
    # a rounding step from the pixel centre sends next to nothing to a neighbour
    torch.testing.assert_close(rendered[0], images, rtol=0, atol=1e-4)


def test_the_void_moves_with_the_rotation_alone() -> None:
    images, depth = ray_cast(CONTEXT, wall=torch.inf)
    truth, true_depth = ray_cast(TARGET[:2], wall=torch.inf)
    rendered, _ = forward_splat(images[None], depth[None], batched(CONTEXT), batched(TARGET[:2]))
    visible = visibility(true_depth, TARGET[:2], depth, CONTEXT)
    assert (visible & true_depth.isinf()).sum() > 0.9 * true_depth.isinf().sum()
    near_ball = torch.nn.functional.max_pool2d(true_depth.isfinite().float(), 5, stride=1, padding=2) > 0
    assert (masked_psnr(rendered[0], truth, visible & ~near_ball) > 38).all()


def test_what_hides_behind_the_ball_is_not_visible() -> None:
    """Closed form: the wall point is hidden iff the segment from the context camera to it meets the ball."""
    context, target = looking_at_ball((-0.8, 0, 0)), looking_at_ball((0.8, 0, 0))
    depth, (_, true_depth) = ray_cast(context)[1], ray_cast(target)
    assert target.intrinsics is not None
    origin, direction = world_rays(target.w2c, target.intrinsics, SIZE, SIZE)
    point = origin[:, None, None] + true_depth.double()[..., None] * direction
    eye = torch.tensor([-0.8, 0, 0], dtype=torch.float64)
    closest = ((BALL - eye) * (point - eye)).sum(-1) / (point - eye).square().sum(-1)
    miss = (eye + closest.clamp(0, 1)[..., None] * (point - eye) - BALL).norm(dim=-1)
    on_wall = true_depth > 3.4
    visible = visibility(true_depth, target, depth, context)
    clear, hidden = on_wall & (miss > RADIUS + 0.04), on_wall & (miss < RADIUS - 0.04)
    assert hidden.sum() > 500 and clear.sum() > 500
    assert not (visible & hidden).any()
    assert (visible & clear).sum() > 0.5 * clear.sum()


def test_each_warp_is_bit_for_bit_the_same_in_any_batch_and_order() -> None:
    images, depth = ray_cast(CONTEXT)
    alone, alone_hit = forward_splat(images[None], depth[None], batched(CONTEXT), batched(TARGET[1:2]))
    many, many_hit = forward_splat(
        torch.stack([images.flip(0), images]),
        torch.stack([depth.flip(0), depth]),
        Cameras(torch.stack([CONTEXT.w2c.flip(0), CONTEXT.w2c]), INTRINSICS.expand(2, 5, 3, 3)),
        Cameras(TARGET.w2c.expand(2, 4, 4, 4), INTRINSICS.expand(2, 4, 3, 3)),
    )
    for k in range(2):
        assert torch.equal(many[k, 1], alone[0, 0]) and torch.equal(many_hit[k, 1], alone_hit[0, 0])


def test_holes_take_the_colour_around_them_and_known_pixels_stay() -> None:
    image = torch.zeros(1, 3, 33, 47)
    image[..., :24], image[..., 24:] = 0.2, 0.8
    mask = torch.ones(1, 33, 47, dtype=torch.bool)
    mask[:, 8:20, 4:12] = False
    mask[:, 8:20, 35:40] = False
    filled = fill_holes(torch.where(mask[:, None], image, torch.nan), mask)
    torch.testing.assert_close(filled, image)
    assert (fill_holes(image, torch.zeros_like(mask)) - 0.5).abs().max() < 1e-6
