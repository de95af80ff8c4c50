"""Gaussians against closed forms, finite differences and gsplat, and a RayZer whose scenes are made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.nn.gaussians import Gaussians
from baselines.nn.rasteriser import DENSE, DILATION, rasterise
from baselines.rayzer.network import RayZerNetwork
from baselines.rayzer.objective import RayZerTrainee
from evalkit.errors import UserError
from evalkit.training.clip_batch import ClipBatch
from tests.baselines.test_rayzer import moving, pans, tiny

SIZE = 16


def intrinsics(focal: float = 20.0, size: int = SIZE) -> Tensor:
    middle = size / 2
    return torch.tensor([[focal, 0, middle], [0, focal, middle], [0, 0, 1]], dtype=torch.float64)[None, None]


def scene(count: int, seed: int = 0) -> Gaussians:
    draw = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(1, count, *shape, generator=draw, dtype=torch.float64)

    means = (uniform(3) - 0.5) * torch.tensor([2.0, 2.0, 1.0]) + torch.tensor([0.0, 0.0, 3.0])
    return Gaussians(means, uniform(4) - 0.5, 0.05 + 0.2 * uniform(3), uniform(), uniform(3))


def test_one_gaussian_is_a_bell_as_wide_as_it_looks() -> None:
    """In the middle of the picture, at depth z: deviation f s / z pixels, dilated, stretched as it is turned."""
    turn = torch.tensor([[[np.cos(np.pi / 4), 0, 0, np.sin(np.pi / 4)]]])  # x to y
    one = Gaussians(
        torch.tensor([[[0.0, 0.0, 2.0]]]).double(),
        turn.double(),
        torch.tensor([[[0.3, 0.1, 0.2]]]).double(),
        torch.tensor([[0.8]]).double(),
        torch.tensor([[[1.0, 0.5, 0.25]]]).double(),
    )
    image = rasterise(one, torch.eye(4).double()[None, None], intrinsics(), SIZE)[0, 0]
    ticks = torch.arange(SIZE).double() + 0.5 - SIZE / 2
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    variances = [(20 * s / 2) ** 2 + DILATION for s in (0.1, 0.3)]
    bell = 0.8 * torch.exp(-0.5 * (x**2 / variances[0] + y**2 / variances[1]))
    expected = torch.where(bell >= 1 / 255, bell, 0) * torch.tensor([1.0, 0.5, 0.25])[:, None, None]
    torch.testing.assert_close(image, expected)


def test_nearer_ones_hide_those_behind_in_any_order() -> None:
    wide = torch.full((1, 3, 3), 50.0).double()
    means = torch.tensor([[[0.0, 0, 4], [0.0, 0, 2], [0, 0, -1]]]).double()
    opacities, colours = torch.tensor([[0.5, 0.25, 0.9]]).double(), torch.eye(3).double()[None]
    walls = Gaussians(means, torch.tensor([1.0, 0, 0, 0]).double().expand(1, 3, 4), wide, opacities, colours)
    turned = Gaussians(*(x.flip(1) for x in walls))
    camera = torch.eye(4).double()[None, None]
    image = rasterise(walls, camera, intrinsics(), SIZE)[0, 0, :, 8, 8]
    torch.testing.assert_close(image, torch.tensor([0.75 * 0.5, 0.25, 0.0]).double(), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        rasterise(turned, camera, intrinsics(), SIZE), rasterise(walls, camera, intrinsics(), SIZE)
    )
    torch.testing.assert_close(Gaussians.unpacked(walls.packed()).opacities, opacities)


def test_gradients_of_pose_and_intrinsics_are_those_of_finite_differences() -> None:
    some = scene(30)
    weights = torch.rand(3, SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def brightness(numbers: Tensor) -> Tensor:
        w2c = torch.eye(4).double().index_put((torch.tensor([0, 1, 2]), torch.tensor([3, 3, 3])), numbers[:3])
        focal = torch.diag(torch.stack([numbers[3], numbers[4], numbers.new_tensor(0.0)]))
        return (rasterise(some, w2c[None, None], intrinsics(0.0) + focal, SIZE)[0, 0] * weights).sum()

    at = torch.tensor([0.1, -0.05, 0.2, 20.0, 22.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(brightness(at), at)
    step = 1e-6
    differences = torch.stack(
        [(brightness(at + step * e) - brightness(at - step * e)) / (2 * step) for e in torch.eye(5).double()]
    )
    torch.testing.assert_close(gradient, differences.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gsplat_renders_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gsplat")
    some = Gaussians(*(x.float().cuda() for x in scene(200)))
    w2c, pinhole = torch.eye(4).cuda()[None, None], intrinsics().float().cuda()
    dense = rasterise(some, w2c, pinhole, SIZE)
    monkeypatch.setattr("baselines.nn.rasteriser.DENSE", 0)
    torch.testing.assert_close(rasterise(some, w2c, pinhole, SIZE), dense, atol=2e-3, rtol=0)


def test_large_pictures_need_a_gpu() -> None:
    with pytest.raises(UserError, match="at most 64 pixels without one"):
        rasterise(scene(3), torch.eye(4).double()[None, None], intrinsics(size=2 * DENSE), 2 * DENSE)


def gaussian(**changes: Any) -> RayZerTrainee:
    return moving(tiny(decoder="gaussians", **changes))


def test_a_rayzer_of_gaussians_has_one_for_each_context_pixel_and_learns() -> None:
    trainee, batch = gaussian(), pans()
    network: RayZerNetwork = trainee.network
    tokens = network.embed(batch, torch.arange(7)[None])
    poses, context = network.encode_poses(tokens), torch.tensor([[0, 3, 6]] * 2)
    packed = network.encode_scene(tokens[:, context[0]], poses.take(context))
    assert packed.shape == (2, 3 * 16 * 16, 14)
    assert not [name for name, _ in network.named_parameters() if "initial_scene" in name or "renderer" in name]
    optimizer = torch.optim.AdamW(trainee.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        numbers = trainee(ClipBatch(batch), np.random.default_rng(0), 0.0)
        optimizer.zero_grad()
        numbers["loss"].backward()
        optimizer.step()
        losses.append(float(numbers["loss"].detach()))
    assert losses[-1] < 0.7 * losses[0], losses
    for wrong in ({"pose": "se3_mlp"}, {"order": "scene_first"}):
        with pytest.raises(UserError, match="decoder=gaussians needs rays"):
            tiny(decoder="gaussians", **wrong)
