"""Follows points from one frame into another by their features.

Shapes: N pairs of frames, K points per pair, C channels. Positions are in pixels of the 256 x 256 frame.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from evalkit.oracles.procedural.network import COARSE, FINE, SIDE, FeatureNet, Features
from evalkit.oracles.procedural.refinement import luminance, refined

RADIUS = 3  # fine cells on each side of a window
PASSES = 2  # over the fine window
MAX_RETURN_PX = 1.5  # a point followed there and back must end this close to its start
MAX_REFINEMENT_PX = 2.0  # a refinement that moves a point farther than this is wrong
MAX_DIFFERENCE = 0.5  # share of the contrast by which two views of a point may differ
MARGIN_PX = 2.0  # from the border


@dataclass(frozen=True)
class Window:
    """Similarities [N, K, W] of N x K points to the W positions of a window around ``centre`` [N, K, 2]."""

    logits: Tensor
    centre: Tensor

    def expected(self) -> Tensor:
        """The mean position [N, K, 2] in pixels."""
        return self.centre + self.logits.softmax(-1) @ window_offsets(self.logits)


def window_offsets(like: Tensor) -> Tensor:
    """Positions of a window [W, 2], in pixels from its centre; type and device as ``like``."""
    steps = torch.arange(-RADIUS, RADIUS + 1, dtype=like.dtype, device=like.device) * FINE
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1)


def sampled(maps: Tensor, pixels: Tensor) -> Tensor:
    """Values [N, ..., C] of maps [N, C, h, w] at pixels [N, ..., 2] of the frame, bilinear."""
    grid = (pixels * (2 / SIDE) - 1).flatten(1, -2)[:, None]
    values = grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return values[:, :, 0].mT.reshape(*pixels.shape[:-1], -1)


def coarse_logits(a: Features, b: Features, points: Tensor, scale: Tensor) -> Tensor:
    """Similarities [N, K, 1024] of points [N, K, 2] of frames ``a`` to all coarse cells of frames ``b``."""
    return scale * normalize(sampled(a.coarse, points), dim=-1) @ b.coarse.flatten(2)


def coarse_positions(logits: Tensor) -> Tensor:
    """Positions [N, K, 2] in pixels: the mean over the 3 x 3 cells around the most likely cell."""
    cells = SIDE // COARSE
    best = logits.argmax(-1)
    column, row = best % cells, best.div(cells, rounding_mode="floor")
    neighbours = torch.arange(-1, 2, device=logits.device)
    columns = (column[..., None, None] + neighbours).clamp(0, cells - 1).expand(*best.shape, 3, 3).flatten(-2)
    rows = (row[..., None, None] + neighbours[:, None]).clamp(0, cells - 1).expand(*best.shape, 3, 3).flatten(-2)
    share = logits.gather(-1, rows * cells + columns).softmax(-1)
    return torch.stack([(share * columns).sum(-1) + 0.5, (share * rows).sum(-1) + 0.5], dim=-1) * COARSE


def window(a: Features, b: Features, points: Tensor, centre: Tensor, scale: Tensor) -> Window:
    """Compare points [N, K, 2] of frames ``a`` with windows of frames ``b`` around ``centre`` [N, K, 2]."""
    at_points = normalize(sampled(a.fine, points), dim=-1)
    in_window = normalize(sampled(b.fine, centre[:, :, None] + window_offsets(centre)), dim=-1)
    return Window(scale * (in_window @ at_points[..., None])[..., 0], centre)


@dataclass(frozen=True)
class Tracks:
    """T points followed through V frames: ``pixels`` [T, V, 2] where ``visible`` [T, V]."""

    pixels: Tensor
    visible: Tensor


def anchors(features: Features, count: int) -> Tensor:
    """The ``count`` points [V, count, 2] of each frame with the smallest expected error, one per coarse cell."""
    cells, ratio = SIDE // COARSE, COARSE // FINE
    spread = features.log_spread[:, 0].unfold(1, ratio, ratio).unfold(2, ratio, ratio)  # [V, cells, cells, 4, 4]
    best, inner = spread[:, 1:-1, 1:-1].flatten(-2).min(-1)
    chosen = best.flatten(1).sort(stable=True).indices[:, :count]
    inner = inner.flatten(1).gather(1, chosen)
    row, column = chosen.div(cells - 2, rounding_mode="floor") + 1, chosen % (cells - 2) + 1
    y, x = inner.div(ratio, rounding_mode="floor") + row * ratio, inner % ratio + column * ratio
    return (torch.stack([x, y], dim=-1) + 0.5) * FINE


def followed(a: Features, b: Features, points: Tensor, scale: Tensor) -> Tensor:
    """Positions [N, K, 2] in frames ``b`` of points [N, K, 2] of frames ``a``."""
    positions = coarse_positions(coarse_logits(a, b, points, scale[0]))
    for _ in range(PASSES):
        positions = window(a, b, points, positions, scale[1]).expected()
    return positions


def features_of(images: Tensor, network: FeatureNet) -> Features:
    """Features of V frames [V, 3, 256, 256], each computed alone so that no other frame can change a bit."""
    parts = [network(image[None]) for image in images]
    return Features(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Features)))


def tracked(images: Tensor, network: FeatureNet, count: int) -> Tracks:
    """Follow ``count`` points of each of V frames [V, 3, H, W] into all others; they must return to their start."""
    features, scale = features_of(images, network), network.log_scales.exp()
    views, brightness = len(images), luminance(images)
    points = anchors(features, count)
    i, j = (~torch.eye(views, dtype=torch.bool)).nonzero(as_tuple=True)
    a, b, start = features.take(i), features.take(j), points[i]
    ends = followed(a, b, start, scale)
    return_error = (followed(b, a, ends, scale) - start).norm(dim=-1)
    placed, difference = refined(brightness[i], brightness[j], start, ends)
    moved = (placed - ends).norm(dim=-1)
    inside = ((placed > MARGIN_PX) & (placed < SIDE - MARGIN_PX)).all(-1)
    good = (return_error < MAX_RETURN_PX) & inside & (moved < MAX_REFINEMENT_PX) & (difference < MAX_DIFFERENCE)
    pixels = points[:, None].repeat(1, views, 1, 1)  # [from, to, K, 2]
    visible = torch.eye(views, dtype=torch.bool)[:, :, None].repeat(1, 1, points.shape[1])
    pixels[i, j], visible[i, j] = placed, good
    # point k of every frame, then point k + 1 of every frame: any first part of the list covers all frames
    return Tracks(pixels.permute(2, 0, 1, 3).flatten(0, 1), visible.permute(2, 0, 1).flatten(0, 1))
