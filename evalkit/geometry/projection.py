"""Pixels with depth, seen from elsewhere: unprojection, projection, visibility and forward warping.

Depth is z in the camera, ``inf`` where a ray meets nothing: such a pixel is a point at infinity and moves with
the rotation alone. Everything here rests on one line: a pixel u (homogeneous) of depth z lies, in another view,
at q = K' R K^-1 u + K' t / z, and its depth there is z q_z. That line is finite for infinite z.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from evalkit.geometry.rays import pixel_grid
from evalkit.geometry.se3 import invert
from evalkit.views import Cameras

# sums of weights and colours are kept as whole multiples of this, so that no order of adding changes a bit
_QUANTUM = 2.0**-32
_HIDING = 0.1  # a splat that covers less of a pixel does not hide what lies behind: outlines would grow
_SPLATS_AT_ONCE = 1 << 22


def visibility(
    target_depth: Tensor, target: Cameras, context_depth: Tensor, context: Cameras, rel_tolerance: float = 0.02
) -> Tensor:
    """Whether at least one context view sees the surface at each target pixel, bool [..., T, H, W].

    target_depth [..., T, H, W]; context_depth [..., C, H', W']. A view sees the point if it projects into the
    image, in front, and its depth there lies within the depths of the four nearest pixels, give or take
    ``rel_tolerance``. Background (infinite depth) is seen where one of those four is background.
    """
    height, width = context_depth.shape[-2:]
    x, y, z = _move(target_depth[..., None, :, :], *_pixel_motion(_crossed(target, -3), _crossed(context, -4)))
    inside = (z > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    shape = (*z.shape[:-2], height, width)
    stored = context_depth[..., None, :, :, :].expand(shape).flatten(-2)
    left, top = (x - 0.5).floor(), (y - 0.5).floor()
    near = torch.stack(
        [
            stored.gather(-1, _pixel(left + i, top + j, height, width).flatten(-2)).view(z.shape)
            for i in (0, 1)
            for j in (0, 1)
        ]
    )
    agrees = (z >= near.amin(0) * (1 - rel_tolerance)) & (z <= near.amax(0) * (1 + rel_tolerance))
    return (inside & agrees).any(dim=-3)


def forward_splat(
    images: Tensor, depth: Tensor, context: Cameras, target: Cameras, rel_tolerance: float = 0.02
) -> tuple[Tensor, Tensor]:
    """Move every context pixel to where it lies in each target view; nearest surfaces win.

    images [B, C, 3, H, W] in [0, 1], depth [B, C, H, W], context cameras [B, C], target cameras [B, T] of the same
    image size; returns images [B, T, 3, H, W], black where nothing fell, and a mask [B, T, H, W] of where something
    did (`fill_holes` does the rest). A pixel is spread over its four neighbours by bilinear weights; all within
    ``rel_tolerance`` of the nearest depth is averaged. A surface magnified up to twice stays without cracks.
    Sums are integers: bit for bit the same on one device whatever the batch, the order, or the threads; where a
    gradient with respect to the target cameras is asked for they are not. It flows through the bilinear weights.
    """
    height, width = depth.shape[-2:]
    matrix, offset = _pixel_motion(_crossed(context, -4), _crossed(target, -3))  # [B, T, C, ...]
    batch, targets, views = matrix.shape[:3]
    colours = (images.movedim(2, 1).flatten(2) / _QUANTUM).double()  # [B, 3, C H W]
    source = torch.arange(batch, device=depth.device).repeat_interleave(targets)
    step = max(1, _SPLATS_AT_ONCE // (views * height * width))
    pieces = zip(
        *(torch.split(each, step) for each in (source, matrix.flatten(0, 1), offset.flatten(0, 1))), strict=True
    )
    parts = [_splat(colours[b], depth[b], m, o, rel_tolerance) for b, m, o in pieces]
    rendered, hit = (torch.cat(each).view(batch, targets, *each[0].shape[1:]) for each in zip(*parts, strict=True))
    return rendered.to(images.dtype), hit


def _splat(colours: Tensor, depth: Tensor, matrix: Tensor, offset: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """Splat N scenes: colours [N, 3, P] in quanta, depth [N, C, H, W] with C H W = P; to [N, 3, H, W] and a mask."""
    height, width = depth.shape[-2:]
    x, y, z = _move(depth, matrix, offset)
    z = z.flatten(1).detach()
    exact = not matrix.requires_grad
    corners = _corners(x.flatten(1), y.flatten(1), z > 0, height, width)
    nearest = torch.full((len(depth), height * width), torch.inf, dtype=z.dtype, device=z.device)
    for to, share in corners:
        nearest.scatter_reduce_(1, to, torch.where(share > _HIDING, z, torch.inf), "amin")
    kind = torch.int64 if exact else torch.float64
    sums = torch.zeros((4, len(depth), height * width), dtype=kind, device=z.device)
    for to, share in corners:
        front = nearest.gather(1, to)  # infinite where all that fell is faint: then all of it counts
        share = torch.where(((z - front).abs() <= tolerance * front) | front.isinf(), share, 0.0).double()
        for channel in range(3):
            light = share * colours[:, channel]
            sums[channel].scatter_add_(1, to, light.round().long() if exact else light)
        weight = share / _QUANTUM
        sums[3].scatter_add_(1, to, weight.round().long() if exact else weight)
    total = sums[3]
    rendered = torch.where(total > 0, sums[:3] / torch.where(total > 0, total, 1), 0.0).movedim(0, 1)
    return rendered.reshape(-1, 3, height, width), (total > 0).view(-1, height, width)


def _corners(x: Tensor, y: Tensor, in_front: Tensor, height: int, width: int) -> list[tuple[Tensor, Tensor]]:
    """The four pixels around each place: their index in the image and bilinear share, 0 where there is no pixel."""
    left, top = (x - 0.5).floor(), (y - 0.5).floor()
    right_share, bottom_share = x - 0.5 - left, y - 0.5 - top
    corners = []
    for column, across in ((left, 1 - right_share), (left + 1, right_share)):
        for row, down in ((top, 1 - bottom_share), (top + 1, bottom_share)):
            inside = in_front & (column >= 0) & (column < width) & (row >= 0) & (row < height)
            corners.append((_pixel(column, row, height, width), torch.where(inside, across * down, 0.0)))
    return corners


def fill_holes(images: Tensor, mask: Tensor) -> Tensor:
    """Fill what ``mask`` [..., H, W] leaves out of images [..., 3, H, W] with colours from around it.

    Push-pull (Gortler et al. 1996): halve the resolution, averaging what is known, until everything is; then go
    back up and take each hole's colour from the level below. Known pixels stay as they are; grey if none is known.
    """
    known = mask.reshape(-1, 1, *mask.shape[-2:])
    flat = torch.where(known, images.reshape(-1, *images.shape[-3:]), 0.0)
    return _push_pull(flat, known.to(images.dtype)).view(images.shape)


def _push_pull(colour: Tensor, known: Tensor) -> Tensor:
    """Fill images [N, 3, H, W] that are 0 where ``known`` [N, 1, H, W] is 0."""
    size = colour.shape[-2:]
    if max(size) == 1:
        return torch.where(known > 0, colour, 0.5)
    share = avg_pool2d(known, 2, ceil_mode=True)
    coarse = torch.where(share > 0, avg_pool2d(colour, 2, ceil_mode=True) / share, 0.0)
    below = _push_pull(coarse, (share > 0).to(known.dtype))
    return torch.where(known > 0, colour, interpolate(below, size=size, mode="bilinear", align_corners=False))


def _crossed(cameras: Cameras, dim: int) -> Cameras:
    """Insert a dimension, so that T target and C context views broadcast to [..., T, C]."""
    if cameras.intrinsics is None:
        raise ValueError("warping needs intrinsics of both cameras")
    return Cameras(cameras.w2c.unsqueeze(dim), cameras.intrinsics.unsqueeze(dim))


def _pixel_motion(source: Cameras, target: Cameras) -> tuple[Tensor, Tensor]:
    """K' R K^-1 [..., 3, 3] and K' t [..., 3] in float64: what takes pixels of one view to another."""
    assert source.intrinsics is not None and target.intrinsics is not None
    motion = target.w2c.double() @ invert(source.w2c.double())
    to_pixels = target.intrinsics.double()
    matrix = to_pixels @ motion[..., :3, :3] @ torch.linalg.inv(source.intrinsics.double())
    return matrix, (to_pixels @ motion[..., :3, 3:]).squeeze(-1)


def _move(depth: Tensor, matrix: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where the pixels of depth [..., H, W] lie in another view: x, y and depth there, each [..., H, W].

    Written out by element, since a matrix product may round differently with the size of the batch.
    """
    grid = pixel_grid(depth.shape[-2], depth.shape[-1], depth)
    matrix, offset = matrix.to(depth.dtype)[..., None, None], offset.to(depth.dtype)[..., None, None]
    closeness = 1 / depth
    x, y, scale = (
        matrix[..., k, 0, :, :] * grid[..., 0]
        + (matrix[..., k, 1, :, :] * grid[..., 1] + matrix[..., k, 2, :, :])
        + offset[..., k, :, :] * closeness
        for k in range(3)
    )
    return x / scale, y / scale, depth * scale


def _pixel(column: Tensor, row: Tensor, height: int, width: int) -> Tensor:
    """Index of a pixel in the flattened image, the nearest one for places outside."""
    inside = row.nan_to_num(0).clamp(0, height - 1) * width + column.nan_to_num(0).clamp(0, width - 1)
    return inside.long()
