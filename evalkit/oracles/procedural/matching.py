"""Following points from one frame into another by their features."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from evalkit.oracles.procedural.network import COARSE, FINE, SIDE, FeatureNet, Features
from evalkit.oracles.procedural.refinement import luminance, refined

RADIUS = 3  # fine cells on each side of a window
PASSES = 2  # over the fine window
RETURN_PX = 1.5  # a point followed there and back must come this close
REFINED_PX = 2.0  # refinement that goes farther than this has gone astray
DIFFERENT = 0.5  # share of the contrast that two views of a point may differ by
MARGIN = 2.0  # pixels from the border


@dataclass(frozen=True)
class Window:
    """Similarities [N, K, W] of N x K points to the W places of a window about ``centre`` [N, K, 2] pixels."""

    logits: Tensor
    centre: Tensor

    def expected(self) -> Tensor:
        """The mean place [N, K, 2] in pixels."""
        return self.centre + self.logits.softmax(-1) @ offsets(self.logits)


def offsets(like: Tensor) -> Tensor:
    """Places of a window [W, 2], in pixels from its centre."""
    steps = torch.arange(-RADIUS, RADIUS + 1, dtype=like.dtype, device=like.device) * FINE
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1)


def sampled(maps: Tensor, places: Tensor) -> Tensor:
    """Values [N, ..., C] of maps [N, C, h, w] at places [N, ..., 2] in pixels of the frame, bilinear."""
    grid = (places * (2 / SIDE) - 1).flatten(1, -2)[:, None]
    values = grid_sample(maps, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return values[:, :, 0].mT.reshape(*places.shape[:-1], -1)


def coarse_logits(a: Features, b: Features, points: Tensor, scale: Tensor) -> Tensor:
    """Similarities [N, K, 1024] of points [N, K, 2] of frames ``a`` to all coarse cells of frames ``b``."""
    return scale * normalize(sampled(a.coarse, points), dim=-1) @ b.coarse.flatten(2)


def coarse_places(logits: Tensor) -> Tensor:
    """Places [N, K, 2] in pixels: the mean over the 3 x 3 cells about the likeliest cell."""
    cells = SIDE // COARSE
    best = logits.argmax(-1)
    column, row = best % cells, best.div(cells, rounding_mode="floor")
    near = torch.arange(-1, 2, device=logits.device)
    columns = (column[..., None, None] + near).clamp(0, cells - 1).expand(*best.shape, 3, 3).flatten(-2)
    rows = (row[..., None, None] + near[:, None]).clamp(0, cells - 1).expand(*best.shape, 3, 3).flatten(-2)
    share = logits.gather(-1, rows * cells + columns).softmax(-1)
    return torch.stack([(share * columns).sum(-1) + 0.5, (share * rows).sum(-1) + 0.5], dim=-1) * COARSE


def window(a: Features, b: Features, points: Tensor, centre: Tensor, scale: Tensor) -> Window:
    """Compare points [N, K, 2] of frames ``a`` with windows of frames ``b`` about ``centre`` [N, K, 2]."""
    wanted = normalize(sampled(a.fine, points), dim=-1)
    places = centre[:, :, None] + offsets(centre)
    found = normalize(sampled(b.fine, places), dim=-1)
    return Window(scale * (found @ wanted[..., None])[..., 0], centre)


@dataclass(frozen=True)
class Tracks:
    """T points followed through V frames: places [T, V, 2] in pixels where ``seen`` [T, V]."""

    places: Tensor
    seen: Tensor


def anchors(features: Features, count: int) -> Tensor:
    """The ``count`` places [V, count, 2] of each frame that promise to be followed best, one a coarse cell at most."""
    cells, ratio = SIDE // COARSE, COARSE // FINE
    spread = features.log_spread[:, 0].unfold(1, ratio, ratio).unfold(2, ratio, ratio)  # [V, cells, cells, 4, 4]
    best, where = spread[:, 1:-1, 1:-1].flatten(-2).min(-1)
    chosen = best.flatten(1).sort(stable=True).indices[:, :count]
    where = where.flatten(1).gather(1, chosen)
    row, column = chosen.div(cells - 2, rounding_mode="floor") + 1, chosen % (cells - 2) + 1
    y, x = where.div(ratio, rounding_mode="floor") + row * ratio, where % ratio + column * ratio
    return (torch.stack([x, y], dim=-1) + 0.5) * FINE


def followed(a: Features, b: Features, points: Tensor, scale: Tensor) -> Tensor:
    """Where points [N, K, 2] of frames ``a`` lie in frames ``b``, [N, K, 2] pixels."""
    places = coarse_places(coarse_logits(a, b, points, scale[0]))
    for _ in range(PASSES):
        places = window(a, b, points, places, scale[1]).expected()
    return places


def described(images: Tensor, network: FeatureNet) -> Features:
    """Features of V frames [V, 3, 256, 256], each computed alone so that no other frame can change a bit."""
    each = [network(image[None]) for image in images]
    return Features(*(torch.cat([getattr(one, part.name) for one in each]) for part in fields(Features)))


def tracked(images: Tensor, network: FeatureNet, count: int) -> Tracks:
    """Follow ``count`` points of each of V frames [V, 3, H, W] into all others, and back to see whether they return."""
    features, scale = described(images, network), network.log_scales.exp()
    views, bright = len(images), luminance(images)
    points = anchors(features, count)
    i, j = (~torch.eye(views, dtype=torch.bool)).nonzero(as_tuple=True)
    a, b, start = features.take(i), features.take(j), points[i]
    ends = followed(a, b, start, scale)
    away = (followed(b, a, ends, scale) - start).norm(dim=-1)
    placed, difference = refined(bright[i], bright[j], start, ends)
    moved = (placed - ends).norm(dim=-1)
    inside = ((placed > MARGIN) & (placed < SIDE - MARGIN)).all(-1)
    good = (away < RETURN_PX) & inside & (moved < REFINED_PX) & (difference < DIFFERENT)
    places = points[:, None].repeat(1, views, 1, 1)  # [from, to, K, 2]
    seen = torch.eye(views, dtype=torch.bool)[:, :, None].repeat(1, 1, points.shape[1])
    places[i, j], seen[i, j] = placed, good
    # point k of every frame, then point k + 1 of every frame: any first part of the list covers all frames
    return Tracks(places.permute(2, 0, 1, 3).flatten(0, 1), seen.permute(2, 0, 1).flatten(0, 1))
