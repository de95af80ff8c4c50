"""Pixels with depth in another view: visibility and forward warping.

Depth is z in camera axes, ``inf`` where a ray meets nothing: such a pixel is a point at infinity and moves with the
rotation alone. All functions use one formula: a homogeneous pixel u of depth z lies, in another view, at
q = K' R K^-1 u + K' t / z, and its depth there is z q_z. The formula is finite for infinite z.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from evalkit.geometry.rays import pixel_grid
from evalkit.geometry.se3 import invert
from evalkit.views import Cameras

# sums of weights and colours are whole multiples of this, so that the order of additions changes no bit
_QUANTUM = 2.0**-32
_MIN_OCCLUDING_SHARE = 0.1  # a splat that covers less of a pixel does not occlude: outlines would grow
_SPLATS_AT_ONCE = 1 << 22


def visibility(
    target_depth: Tensor, target: Cameras, context_depth: Tensor, context: Cameras, rel_tolerance: float = 0.02
) -> Tensor:
    """Return which target pixels show a surface that is visible in at least one context view, bool [..., T, H, W].

    A point is visible in a view if it lies in front of the camera and inside the image, and its depth there lies
    between the depths of the four nearest pixels, with a relative tolerance. Background (infinite depth) is visible
    where one of those four pixels is background.

    Args:
        target_depth: [..., T, H, W].
        target: cameras [..., T].
        context_depth: [..., C, H', W'].
        context: cameras [..., C].
        rel_tolerance: relative tolerance of depths.
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
    """Warp context pixels into target views; the nearest surface is shown.

    A pixel is spread over its four neighbours by bilinear weights. All colours whose depth is within ``rel_tolerance``
    of the nearest depth are averaged. A surface magnified up to twice has no cracks.

    Sums are integers, so that results are bit-identical on one device whatever the batch, order or threads. They
    are floating-point sums where gradients with respect to the target cameras are needed; gradients flow through the
    bilinear weights.

    Args:
        images: [B, C, 3, H, W] in [0, 1].
        depth: [B, C, H, W].
        context: cameras [B, C].
        target: cameras [B, T], for images of the same size.
        rel_tolerance: relative tolerance of depths.

    Returns:
        Images [B, T, 3, H, W], black where no pixel was warped to, and a mask [B, T, H, W], true where one was.
        `fill_holes` fills the rest.
    """
    height, width = depth.shape[-2:]
    matrix, offset = _pixel_motion(_crossed(context, -4), _crossed(target, -3))  # [B, T, C, ...]
    batch, targets, views = matrix.shape[:3]
    colours = (images.movedim(2, 1).flatten(2) / _QUANTUM).double()  # [B, 3, C H W]
    source = torch.arange(batch, device=depth.device).repeat_interleave(targets)
    step = max(1, _SPLATS_AT_ONCE // (views * height * width))
    inputs = (source, matrix.flatten(0, 1), offset.flatten(0, 1))
    chunks = zip(*(torch.split(tensor, step) for tensor in inputs), strict=True)
    parts = [_splat(colours[b], depth[b], m, o, rel_tolerance) for b, m, o in chunks]
    rendered, hit = (torch.cat(part).view(batch, targets, *part[0].shape[1:]) for part in zip(*parts, strict=True))
    return rendered.to(images.dtype), hit


def _splat(colours: Tensor, depth: Tensor, matrix: Tensor, offset: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """Splat N scenes; returns images [N, 3, H, W] and a mask [N, H, W].

    Args:
        colours: [N, 3, C H W], in units of `_QUANTUM`.
        depth: [N, C, H, W].
        matrix, offset: see `_pixel_motion`, [N, C, 3, 3] and [N, C, 3].
        tolerance: relative tolerance of depths.
    """
    height, width = depth.shape[-2:]
    x, y, z = _move(depth, matrix, offset)
    z = z.flatten(1).detach()
    exact = not matrix.requires_grad
    corners = _corners(x.flatten(1), y.flatten(1), z > 0, height, width)
    nearest = torch.full((len(depth), height * width), torch.inf, dtype=z.dtype, device=z.device)
    for to, share in corners:
        nearest.scatter_reduce_(1, to, torch.where(share > _MIN_OCCLUDING_SHARE, z, torch.inf), "amin")
    dtype = torch.int64 if exact else torch.float64
    sums = torch.zeros((4, len(depth), height * width), dtype=dtype, device=z.device)
    for to, share in corners:
        front = nearest.gather(1, to)  # infinite where all shares are small: then all of them count
        share = torch.where(((z - front).abs() <= tolerance * front) | front.isinf(), share, 0.0).double()
        for channel in range(3):
            weighted = share * colours[:, channel]
            sums[channel].scatter_add_(1, to, weighted.round().long() if exact else weighted)
        weight = share / _QUANTUM
        sums[3].scatter_add_(1, to, weight.round().long() if exact else weight)
    total = sums[3]
    rendered = torch.where(total > 0, sums[:3] / torch.where(total > 0, total, 1), 0.0).movedim(0, 1)
    return rendered.reshape(-1, 3, height, width), (total > 0).view(-1, height, width)


def _corners(x: Tensor, y: Tensor, in_front: Tensor, height: int, width: int) -> list[tuple[Tensor, Tensor]]:
    """Return the four pixels around each position: index in the flattened image, and bilinear share.

    The share is 0 for pixels outside the image and for points behind the camera.
    """
    left, top = (x - 0.5).floor(), (y - 0.5).floor()
    right_share, bottom_share = x - 0.5 - left, y - 0.5 - top
    corners = []
    for column, across in ((left, 1 - right_share), (left + 1, right_share)):
        for row, down in ((top, 1 - bottom_share), (top + 1, bottom_share)):
            inside = in_front & (column >= 0) & (column < width) & (row >= 0) & (row < height)
            corners.append((_pixel(column, row, height, width), torch.where(inside, across * down, 0.0)))
    return corners


def fill_holes(images: Tensor, mask: Tensor) -> Tensor:
    """Fill the pixels of images [..., 3, H, W] where ``mask`` [..., H, W] is false with colours from around them.

    Push-pull: halve the resolution, averaging known pixels, until all are known; then go back up and take the colour of
    a hole from the coarser level. Known pixels do not change. An image without any known pixel becomes grey.

    Source: Gortler et al., The Lumigraph, 1996.
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
    """Return K' R K^-1 [..., 3, 3] and K' t [..., 3] in float64: the map from pixels of one view to another."""
    assert source.intrinsics is not None and target.intrinsics is not None
    motion = target.w2c.double() @ invert(source.w2c.double())
    intrinsics = target.intrinsics.double()
    matrix = intrinsics @ motion[..., :3, :3] @ torch.linalg.inv(source.intrinsics.double())
    return matrix, (intrinsics @ motion[..., :3, 3:]).squeeze(-1)


def _move(depth: Tensor, matrix: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return x, y and depth in another view of the pixels of depth [..., H, W]; three tensors [..., H, W].

    Written out by element: a matrix product may round differently for another batch size.
    """
    pixels = pixel_grid(depth.shape[-2], depth.shape[-1], depth)
    matrix, offset = matrix.to(depth.dtype)[..., None, None], offset.to(depth.dtype)[..., None, None]
    inverse_depth = 1 / depth
    x, y, scale = (
        matrix[..., k, 0, :, :] * pixels[..., 0]
        + (matrix[..., k, 1, :, :] * pixels[..., 1] + matrix[..., k, 2, :, :])
        + offset[..., k, :, :] * inverse_depth
        for k in range(3)
    )
    return x / scale, y / scale, depth * scale


def _pixel(column: Tensor, row: Tensor, height: int, width: int) -> Tensor:
    """Return the index of a pixel in the flattened image; of the nearest pixel for positions outside."""
    inside = row.nan_to_num(0).clamp(0, height - 1) * width + column.nan_to_num(0).clamp(0, width - 1)
    return inside.long()
