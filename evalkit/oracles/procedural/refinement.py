"""Placing matches to a fraction of a pixel: patches brought into agreement by least squares (Lucas and Kanade 1981)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, grid_sample, pad

RADIUS, STEP_PX = 6, 1.5  # 13 x 13 places, 18 pixels across
SPREAD = 0.6  # of the weights about the middle, in radii
ITERATIONS = 5
SMOOTHING_PX = 0.8  # straight lines between sharp pixels mislead more than lost detail does, and noise most of all
LUMINANCE = (0.299, 0.587, 0.114)
FAINT = 1e-3  # added to contrasts
LEAST_CONTRAST = 5e-3  # standard deviation of a patch, a little more than one of 256 levels
LARGEST_STEP_PX, LARGEST_STRAIN = 2.0, 0.3


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


def refined(a: Tensor, b: Tensor, points: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Move ``places`` [N, K, 2] in images ``b`` [N, H, W] to where they look like ``points`` in images ``a``.

    Each patch may be stretched and sheared (six unknowns), brightened and given more contrast. Inverse
    compositional: derivatives are those of the patches of ``a``. Returns the places and the differences [N, K] that
    remain, as a share of the contrast; infinite where there is none to speak of.
    """
    grid = patch(points)
    weight = torch.exp(-0.5 * (grid.norm(dim=-1) / (RADIUS * STEP_PX * SPREAD)) ** 2)
    weight = weight / weight.sum()
    wanted, contrast = balanced(look(a, points[..., None, :] + grid), weight)
    slopes = derivatives(a, points, grid) / contrast[..., None]
    slopes = slopes - (slopes.mT @ weight)[..., None, :]  # blind to brightness
    weighted = wanted * weight
    slopes = slopes - wanted[..., None] * (slopes.mT @ weighted[..., None]).mT  # and to contrast
    against = (slopes * weight[:, None]).mT  # [N, K, 6, P]
    normal = against @ slopes
    normal = normal + torch.diag_embed(normal.diagonal(dim1=-2, dim2=-1) * 1e-3 + 1e-6)
    solver = torch.linalg.solve(normal, against)
    identity = torch.eye(2, dtype=a.dtype)
    shape = identity.expand(*points.shape[:-1], 2, 2)
    for _ in range(ITERATIONS):
        found, _ = balanced(look(b, places[..., None, :] + grid @ shape.mT), weight)
        move = solver @ (found - wanted)[..., None]
        strain = move[..., 2:, :].unflatten(-2, (2, 2))[..., 0].clamp(-LARGEST_STRAIN, LARGEST_STRAIN)
        shape = shape @ torch.linalg.inv(identity + strain)
        places = places - (shape @ move[..., :2, :].clamp(-LARGEST_STEP_PX, LARGEST_STEP_PX))[..., 0]
    found, _ = balanced(look(b, places[..., None, :] + grid @ shape.mT), weight)
    difference = (found - wanted).square() @ weight
    return places, difference.masked_fill(contrast[..., 0] < LEAST_CONTRAST, torch.inf)


def patch(like: Tensor) -> Tensor:
    """Places of a patch [P, 2], in pixels from its middle."""
    steps = torch.arange(-RADIUS, RADIUS + 1, dtype=like.dtype) * STEP_PX
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1)


def look(images: Tensor, places: Tensor) -> Tensor:
    """Values [N, K, P] of images [N, H, W] at places [N, K, P, 2] in pixels."""
    size = torch.tensor([images.shape[2], images.shape[1]], dtype=images.dtype)
    return grid_sample(images[:, None], places * (2 / size) - 1, padding_mode="border", align_corners=False)[:, 0]


def derivatives(images: Tensor, points: Tensor, grid: Tensor) -> Tensor:
    """Derivatives [N, K, P, 6] of patches by a shift (x, y) and a strain (xx, xy, yx, yy)."""
    at = points[..., None, :] + grid
    halves = torch.eye(2, dtype=images.dtype) / 2
    slope = torch.stack([look(images, at + half) - look(images, at - half) for half in halves], dim=-1)
    return torch.cat([slope, (slope[..., :, None] * grid[:, None, :]).flatten(-2)], dim=-1)


def balanced(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Patches [..., P] with weighted mean 0 and deviation 1, and their contrasts [..., 1]."""
    values = values - (values @ weight)[..., None]
    contrast = (values.square() @ weight)[..., None].sqrt() + FAINT
    return values / contrast, contrast
