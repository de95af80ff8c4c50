"""Blocks for several methods: what goes in and comes out are tensors of any method."""

from __future__ import annotations

import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from baselines.nn.camera_head import CameraHead
from baselines.nn.patches import unpatchify
from baselines.nn.pixel_gaussians import FARTHEST, LARGEST_SCALE, PixelGaussians
from baselines.nn.ray_tokens import RayTokens, ray_patches

SIZE, PATCH, WIDTH = 8, 4, 16


def cameras() -> tuple[Tensor, Tensor]:
    """Two scenes of three cameras: w2c [2, 3, 4, 4], intrinsics [2, 3, 3, 3]."""
    w2c = torch.eye(4).repeat(2, 3, 1, 1)
    w2c[..., :3, :3] = torch.from_numpy(Rotation.random(6, random_state=0).as_matrix()).float().view(2, 3, 3, 3)
    w2c[..., :3, 3] = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0))
    intrinsics = torch.tensor([[9.0, 0, 3.5], [0, 10.0, 4.5], [0, 0, 1]]).repeat(2, 3, 1, 1)
    return w2c, intrinsics


def test_gaussians_lie_on_the_rays_of_their_pixels() -> None:
    """Projected into its own view, the mean of the k-th Gaussian is the centre of the k-th pixel, row by row."""
    torch.manual_seed(0)
    head, (w2c, intrinsics) = PixelGaussians(WIDTH, SIZE, PATCH), cameras()
    with torch.no_grad():
        gaussians = head(torch.randn(2, 3, (SIZE // PATCH) ** 2, WIDTH), w2c, intrinsics)
    assert [values.shape[1] for values in gaussians] == [3 * SIZE * SIZE] * 5
    means = gaussians.means.view(2, 3, SIZE, SIZE, 3, 1)
    in_camera = w2c[:, :, None, None, :3, :3] @ means + w2c[:, :, None, None, :3, 3:]
    pixels = (intrinsics[:, :, None, None] @ in_camera).squeeze(-1)
    row, column = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")
    expected = torch.stack([column, row], dim=-1).expand(2, 3, -1, -1, -1)
    torch.testing.assert_close(pixels[..., :2] / pixels[..., 2:], expected, atol=1e-3, rtol=0)
    distance = in_camera.squeeze(-1).norm(dim=-1)
    assert distance.min() > 0 and distance.max() < FARTHEST
    assert gaussians.scales.min() > 0 and gaussians.scales.max() <= LARGEST_SCALE
    assert gaussians.opacities.min() > 0 and gaussians.opacities.max() < 1


def test_ray_tokens_embed_the_rays_of_each_patch_by_itself() -> None:
    tokens, (w2c, intrinsics) = RayTokens(WIDTH, SIZE, PATCH), cameras()
    rays = ray_patches(w2c, intrinsics, SIZE, PATCH)
    moment, direction = unpatchify(rays, PATCH, SIZE, SIZE).chunk(2, dim=2)
    torch.testing.assert_close(direction.norm(dim=2), torch.ones(2, 3, SIZE, SIZE))
    torch.testing.assert_close((moment * direction).sum(2), torch.zeros(2, 3, SIZE, SIZE), atol=1e-5, rtol=0)
    with torch.no_grad():
        embedded = tokens(w2c, intrinsics)
        assert embedded.shape == (2, 3, 4, WIDTH)
        torch.testing.assert_close(embedded, rays @ tokens.embed.weight.T)
        torch.testing.assert_close(tokens(w2c[0, 1], intrinsics[0, 1]), embedded[0, 1])


def test_a_camera_head_gives_poses_with_and_without_intrinsics() -> None:
    tokens = torch.randn(2, 5, WIDTH)
    for with_intrinsics in (True, False):
        head = CameraHead(WIDTH, SIZE, with_intrinsics, deviation=0.5, scale=0.5)
        with torch.no_grad():
            estimated = head(tokens, canonical=2)
        assert torch.equal(estimated.w2c[:, 2], torch.eye(4).expand(2, 4, 4))
        rotation = estimated.w2c[..., :3, :3]
        torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand(2, 5, 3, 3), atol=1e-5, rtol=0)
        assert (
            (estimated.intrinsics is not None) == with_intrinsics == any("focal" in name for name in head.state_dict())
        )
