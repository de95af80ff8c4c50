"""Places matches to a fraction of a pixel: patches are aligned by least squares (Lucas and Kanade 1981)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, grid_sample, pad

RADIUS, STEP_PX = 6, 1.5  # 13 x 13 samples, 18 pixels across
SPREAD = 0.6  # of the weights around the centre, in radii
ITERATIONS = 5
SMOOTHING_PX = 0.8  # linear interpolation of sharp pixels, and noise, do more harm than lost detail
LUMINANCE = (0.299, 0.587, 0.114)
CONTRAST_OFFSET = 1e-3  # added to contrasts
MIN_CONTRAST = 5e-3  # standard deviation of a patch, a little more than one of 256 levels
MAX_STEP_PX, MAX_STRAIN = 2.0, 0.3


def luminance(images: Tensor) -> Tensor:
    """Brightness [N, H, W] of images [N, 3, H, W], smoothed a little."""
    return blurred(torch.einsum("nchw,c->nhw", images, torch.tensor(LUMINANCE, dtype=images.dtype)), SMOOTHING_PX)


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of images [..., H, W]; ``sigma`` in pixels, edges repeated."""
    reach = max(1, math.ceil(3 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = kernel / kernel.sum()
    flat = pad(images.reshape(-1, 1, *images.shape[-2:]), (reach,) * 4, mode="replicate")
    return conv2d(conv2d(flat, kernel[None, None, None]), kernel[None, None, :, None]).reshape(images.shape)


def refined(a: Tensor, b: Tensor, points: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Move ``positions`` [N, K, 2] in images ``b`` to where they look like ``points`` [N, K, 2] in images ``a``.

    Each patch may be stretched and sheared (six unknowns), and its brightness and contrast may change. Inverse
    compositional: derivatives are those of the patches of ``a``.

    Args:
        a, b: luminance [N, H, W].
        points, positions: in pixels.

    Returns:
        The positions, and the differences [N, K] that remain as a share of the contrast; infinite where the patch has
        almost no contrast.
    """
    grid = patch_offsets(points)
    weight = torch.exp(-0.5 * (grid.norm(dim=-1) / (RADIUS * STEP_PX * SPREAD)) ** 2)
    weight = weight / weight.sum()
    template, contrast = standardised_patches(sample(a, points[..., None, :] + grid), weight)
    solver = least_squares_solver(derivatives(a, points, grid) / contrast[..., None], template, weight)
    identity = torch.eye(2, dtype=a.dtype)
    shape = identity.expand(*points.shape[:-1], 2, 2)
    for _ in range(ITERATIONS):
        patches, _ = standardised_patches(sample(b, positions[..., None, :] + grid @ shape.mT), weight)
        step = solver @ (patches - template)[..., None]
        strain = step[..., 2:, :].unflatten(-2, (2, 2))[..., 0].clamp(-MAX_STRAIN, MAX_STRAIN)
        shape = shape @ torch.linalg.inv(identity + strain)
        positions = positions - (shape @ step[..., :2, :].clamp(-MAX_STEP_PX, MAX_STEP_PX))[..., 0]
    patches, _ = standardised_patches(sample(b, positions[..., None, :] + grid @ shape.mT), weight)
    difference = (patches - template).square() @ weight
    return positions, difference.masked_fill(contrast[..., 0] < MIN_CONTRAST, torch.inf)


def least_squares_solver(slopes: Tensor, template: Tensor, weight: Tensor) -> Tensor:
    """The matrices [N, K, 6, P] that turn differences of patches into steps of the six unknowns.

    Args:
        slopes: derivatives [N, K, P, 6] of the templates.
        template: standardised patches [N, K, P].
        weight: [P].
    """
    slopes = slopes - (slopes.mT @ weight)[..., None, :]  # changes of brightness have no effect
    weighted = template * weight
    slopes = slopes - template[..., None] * (slopes.mT @ weighted[..., None]).mT  # nor have changes of contrast
    right = (slopes * weight[:, None]).mT  # [N, K, 6, P]
    normal = right @ slopes
    normal = normal + torch.diag_embed(normal.diagonal(dim1=-2, dim2=-1) * 1e-3 + 1e-6)
    solver: Tensor = torch.linalg.solve(normal, right)
    return solver


def patch_offsets(like: Tensor) -> Tensor:
    """Positions of a patch [P, 2], in pixels from its centre; type as ``like``."""
    steps = torch.arange(-RADIUS, RADIUS + 1, dtype=like.dtype) * STEP_PX
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1)


def sample(images: Tensor, pixels: Tensor) -> Tensor:
    """Values [N, K, P] of images [N, H, W] at pixels [N, K, P, 2]."""
    size = torch.tensor([images.shape[2], images.shape[1]], dtype=images.dtype)
    return grid_sample(images[:, None], pixels * (2 / size) - 1, padding_mode="border", align_corners=False)[:, 0]


def derivatives(images: Tensor, points: Tensor, grid: Tensor) -> Tensor:
    """Derivatives [N, K, P, 6] of patches by a shift (x, y) and a strain (xx, xy, yx, yy)."""
    pixels = points[..., None, :] + grid
    halves = torch.eye(2, dtype=images.dtype) / 2
    slope = torch.stack([sample(images, pixels + half) - sample(images, pixels - half) for half in halves], dim=-1)
    return torch.cat([slope, (slope[..., :, None] * grid[:, None, :]).flatten(-2)], dim=-1)


def standardised_patches(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Patches [..., P] with weighted mean 0 and deviation 1, and their contrasts [..., 1]."""
    values = values - (values @ weight)[..., None]
    contrast = (values.square() @ weight)[..., None].sqrt() + CONTRAST_OFFSET
    return values / contrast, contrast
