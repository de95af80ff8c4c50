"""Both published ways of fitting target poses to the target image, on a scene whose render has a closed form."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from evalkit.errors import Unsupported
from evalkit.geometry.rotations import rotation_residual
from evalkit.geometry.se3 import motion_exp, rotation_angle_deg
from evalkit.method import PoseCode
from evalkit.metrics.image import psnr
from evalkit.views import Cameras
from protocols.nvs.alignment import align_free, align_se3
from protocols.nvs.options import AlignOptions

PUBLISHED = AlignOptions(lpips=0.0)
SIZE = 48


def render(poses: PoseCode) -> Tensor:
    """Soft coloured balls in space, seen by a camera of 60 degrees: smooth in the camera, [B, T, 3, H, W]."""
    assert poses.cameras is not None
    random = torch.Generator().manual_seed(0)
    points = torch.rand(40, 3, generator=random) * 2 - 1 + torch.tensor([0.0, 0.0, 3.0])
    colours = torch.rand(40, 3, generator=random)
    w2c = poses.cameras.w2c
    points_in_camera = torch.einsum("btij,pj->btpi", w2c[..., :3, :3], points) + w2c[..., None, :3, 3]
    place = points_in_camera[..., :2] / points_in_camera[..., 2:].clamp_min(0.1)
    axis = (torch.arange(SIZE) + 0.5) / SIZE * 1.2 - 0.6
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    distance = (place[..., None, None, :] - grid).square().sum(-1)
    weight = torch.exp(-distance / (2 * 0.08**2))  # [B, T, P, H, W]
    return torch.einsum("btphw,pc->btchw", weight, colours) / (0.3 + weight.sum(2, keepdim=True))


def at(w2c: Tensor) -> PoseCode:
    return PoseCode(cameras=Cameras(w2c, None))


@pytest.fixture(scope="module")
def scene() -> tuple[Tensor, Tensor]:
    """True cameras [1, 2, 4, 4], and wrong ones some degrees and centimetres away."""
    random = torch.Generator().manual_seed(1)
    true = motion_exp(0.1 * torch.randn(1, 2, 6, generator=random))
    return true, motion_exp(0.03 * torch.randn(1, 2, 6, generator=random)) @ true


def test_se3_alignment_finds_the_true_cameras_and_stays_on_se3(scene: tuple[Tensor, Tensor]) -> None:
    true, start = scene
    images, w2c = align_se3(render, at(start), render(at(true)), PUBLISHED)
    before = rotation_angle_deg(start[..., :3, :3] @ true[..., :3, :3].mT)
    after = rotation_angle_deg(w2c[..., :3, :3] @ true[..., :3, :3].mT)
    assert (after < before / 3).all()
    assert rotation_residual(w2c[..., :3, :3]).max() < 1e-5
    assert torch.equal(images, render(at(w2c))), "the images are those of the poses that are returned"


def test_free_alignment_fits_better_and_leaves_se3(scene: tuple[Tensor, Tensor]) -> None:
    """A world that bends a little cannot be seen from any rigid camera; a free matrix sees it all the same."""
    true, start = scene
    bent = true.clone()
    bent[..., :3, :3] = bent[..., :3, :3] @ torch.diag(torch.tensor([1.15, 0.9, 1.0]))
    target = render(at(bent))
    rigid, _ = align_se3(render, at(start), target, PUBLISHED)
    free, w2c = align_free(render, at(start), target, PUBLISHED)
    gain = psnr(free[0], target[0]) - psnr(rigid[0], target[0])
    assert (gain > 3).all(), "dB that only leaving SE(3) can buy"
    assert (rotation_residual(w2c[..., :3, :3]) > 0.1).all()


def test_free_alignment_scores_what_was_rendered_before_the_last_step(scene: tuple[Tensor, Tensor]) -> None:
    true, start = scene
    once = AlignOptions(steps=1, lpips=0.0)
    images, w2c = align_free(render, at(start), render(at(true)), once)
    assert torch.allclose(images, render(at(start)), atol=1e-5)
    assert torch.allclose(w2c, start, atol=1e-5)


def test_adam_moves_every_camera_as_though_it_were_alone(scene: tuple[Tensor, Tensor]) -> None:
    true, start = scene
    short = AlignOptions(steps=10, lpips=0.0)
    both = torch.cat([start, start.flip(1)])
    target = torch.cat([render(at(true)), render(at(true.flip(1)))])
    for align in (align_se3, align_free):
        _, together = align(render, at(both), target, short)
        _, alone = align(render, at(start), target[:1], short)
        assert torch.allclose(together[:1], alone, atol=1e-4)


def test_what_cannot_be_aligned_says_so(scene: tuple[Tensor, Tensor]) -> None:
    true, _ = scene
    target = render(at(true))
    with pytest.raises(Unsupported, match="are latent"):
        align_se3(render, PoseCode(latent=torch.zeros(1, 2, 3)), target, PUBLISHED)
    with pytest.raises(Unsupported, match="differentiable"):
        align_free(lambda poses: target, at(true), target, PUBLISHED)
