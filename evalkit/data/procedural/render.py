"""From cameras to images: tiles sorted by how much they hold, a second look at edges, exact depth.

The work goes in blocks of tiles, then of edge pixels; a block may hold pieces of any frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from evalkit.data.procedural.blocks import BlockSize, block_size, run_blocks
from evalkit.data.procedural.cull import TILE, Lens, candidates, visible
from evalkit.data.procedural.hits import Hits, locate
from evalkit.data.procedural.intersect import FAR_KEY, ID, Planes, box_keys, room_keys, turned_keys
from evalkit.data.procedural.numbers import at_least, real
from evalkit.data.procedural.pages import Pages
from evalkit.data.procedural.shade import Rgb, shade
from evalkit.data.procedural.solids import NOTHING, SHELL, Tables

AREA = TILE * TILE
EDGE_CONTRAST = 0.04  # an edge is smoothed where the colours beside it differ by more than this
WHITE_FACE = real(NOTHING * 6.0)
SUBPIXELS = ((-0.125, -0.375), (0.375, -0.125), (-0.375, 0.125), (0.125, 0.375))  # rotated grid


@dataclass(frozen=True)
class Work:
    """One rendering: world, cameras, candidate lists a tile [T, K] and their lengths, longest lists first."""

    tables: Tables
    pages: Pages
    lens: Lens
    boxes: Tensor
    turned: Tensor
    box_counts: Tensor
    turned_counts: Tensor
    size: BlockSize

    @staticmethod
    def of(tables: Tables, pages: Pages, lens: Lens) -> Work:
        """Find out what each tile may show."""
        boxes, box_counts = candidates(visible(tables.geometry, tables.boxes, lens), tables.boxes)
        turned, turned_counts = candidates(visible(tables.geometry, tables.turned, lens), tables.turned)
        return Work(
            tables, pages, lens, boxes, turned, box_counts, turned_counts, block_size(tables.geometry.device)
        )

    def by_load(self, tiles: Tensor) -> Tensor:
        """Order of ``tiles`` [A] by what they hold, fullest first."""
        load = self.box_counts + 2 * self.turned_counts
        return load[tiles].argsort(descending=True, stable=True)


def _nearest(work: Work, tiles: Tensor, most: tuple[int, int], axis: int, origin: Planes, rays: Planes) -> Tensor:
    """Smallest keys of rays [X, Y]; ``tiles`` [A] name the candidates along X (axis 1) or Y (axis 0)."""
    keys = room_keys(work.tables.geometry[:, SHELL], origin, rays) if work.tables.has_room else None
    for lists, count, test in ((work.boxes, most[0], box_keys), (work.turned, most[1], turned_keys)):
        if count == 0:
            continue
        ids = lists[tiles, :count].T.contiguous()
        pairs = work.tables.geometry.index_select(1, ids.flatten()).view(-1, *ids.shape).unsqueeze(axis + 2)
        found = test(pairs, ids.unsqueeze(axis + 1), origin, rays).amin(0)
        keys = found if keys is None else torch.minimum(keys, found)
    if keys is None:
        return torch.full_like(rays[0], FAR_KEY, dtype=torch.int32)
    return keys.clamp_(max=FAR_KEY)


def _pieces(work: Work, tiles: Tensor, rays_each: int) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Cut items in ``tiles`` [A] into runs [start, end) that fit a block of tests, with the longest lists in each."""
    boxes, turned = work.box_counts[tiles].tolist(), work.turned_counts[tiles].tolist()
    start = 0
    while start < len(boxes):
        fits = max(work.size.tests // (rays_each * max(boxes[start], turned[start], 1)), 1)
        most = max(max(boxes[start : start + fits]), max(turned[start : start + fits]), 1)
        end = start + max(min(fits, work.size.tests // (rays_each * most)), 1)
        yield start, min(end, len(boxes)), (max(boxes[start:end]), max(turned[start:end]))
        start = end


def _aim(lens: Lens, frame: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Image-plane coordinates of pixel positions of shape [A, ...] in frames [A]."""
    shape = (-1,) + (1,) * (x.dim() - 1)
    focal = lens.focal[frame].view(shape)
    return (x - lens.centre_x[frame].view(shape)) / focal, (y - lens.centre_y[frame].view(shape)) / focal


def _shade_keys(work: Work, keys: Tensor, origin: Planes, rays: Planes, pixel: Tensor) -> tuple[Rgb, Hits]:
    """Colours and hits of keys [X, Y]; origins and the width of a pixel at depth 1 broadcast to that shape."""

    def flat(plane: Tensor) -> Tensor:
        return plane.expand(keys.shape).reshape(-1)

    here, along = (flat(origin[0]), flat(origin[1]), flat(origin[2])), (flat(rays[0]), flat(rays[1]), flat(rays[2]))
    hits = locate(work.tables.geometry, flat(keys), here, along)
    colours = shade(work.tables, work.pages, hits, flat(pixel))
    if not work.tables.has_room:
        white = at_least(hits.face, WHITE_FACE)
        colours = (torch.maximum(colours[0], white), torch.maximum(colours[1], white), torch.maximum(colours[2], white))
    return colours, hits


@dataclass(frozen=True)
class Canvas:
    """Pixels by tile, [T, 256] each: red, green, blue, depth, face."""

    colours: Rgb
    depth: Tensor
    face: Tensor

    @staticmethod
    def blank(tiles: int, device: torch.device) -> Canvas:
        """Nothing anywhere; the rest is filled in where there is something."""
        red, green, blue, depth = (torch.empty(tiles, AREA, device=device) for _ in range(4))
        face = torch.full((tiles, AREA), NOTHING * 6, dtype=torch.int32, device=device)
        return Canvas((red, green, blue), depth, face)


def _tile_rays(lens: Lens, tiles: Tensor) -> tuple[Tensor, Planes, Planes]:
    """Frames [A], origins [A, 1] and rays [A, 256] of tiles [A]."""
    side = lens.tiles
    frame = tiles // (side * side)
    steps = torch.arange(TILE, device=tiles.device, dtype=torch.float32) + 0.5
    left, top = tiles % side * TILE, tiles // side % side * TILE
    x, y = _aim(lens, frame, left[:, None] + steps, top[:, None] + steps)
    axes = lens.rotation[frame]
    rays = [
        ((axes[:, 0, i, None] * x)[:, None] + (axes[:, 1, i, None] * y + axes[:, 2, i, None])[..., None]).flatten(1)
        for i in range(3)
    ]
    start = lens.origin[frame]
    return frame, (start[:, 0:1], start[:, 1:2], start[:, 2:3]), (rays[0], rays[1], rays[2])


def _paint_tiles(work: Work, canvas: Canvas, tiles: Tensor) -> None:
    """Trace and shade a block of tiles [A]."""
    frame, origin, rays = _tile_rays(work.lens, tiles)
    keys = torch.empty_like(rays[0], dtype=torch.int32)
    for start, end, most in _pieces(work, tiles, AREA):
        part = slice(start, end)
        here = (origin[0][part], origin[1][part], origin[2][part])
        keys[part] = _nearest(work, tiles[part], most, 1, here, (rays[0][part], rays[1][part], rays[2][part]))
    colours, hits = _shade_keys(work, keys, origin, rays, work.lens.pixel[frame][:, None])
    for plane, value in zip((*canvas.colours, canvas.depth, canvas.face), (*colours, hits.depth, hits.face), strict=True):
        plane.index_copy_(0, tiles, value.view(-1, AREA))


def _smooth_edges(work: Work, images: Tensor, where: tuple[Tensor, Tensor, Tensor]) -> None:
    """Repaint pixels (frame, y, x) [E] of images [F, 3, H, W] where faces meet.

    Four rays a pixel find out how much of it the nearest solid covers; only that solid and what lies furthest
    behind it are shaded.
    """
    frame, y, x = where
    tiles = (frame * work.lens.tiles + y // TILE) * work.lens.tiles + x // TILE
    sub = torch.tensor(SUBPIXELS, device=images.device) + 0.5
    px, py = _aim(work.lens, frame, x[:, None] + sub[:, 0], y[:, None] + sub[:, 1])
    px, py = px.T.contiguous(), py.T.contiguous()  # [4, E]
    axes, start = work.lens.rotation[frame].flatten(1).T.contiguous(), work.lens.origin[frame].T.contiguous()
    x_ray, y_ray, z_ray = ((axes[i] * px).add_(axes[i + 3] * py).add_(axes[i + 6]) for i in range(3))
    keys = torch.empty_like(px, dtype=torch.int32)
    for begin, end, most in _pieces(work, tiles, len(SUBPIXELS)):
        part = slice(begin, end)
        here = (start[0:1, part], start[1:2, part], start[2:3, part])
        keys[:, part] = _nearest(work, tiles[part], most, 0, here, (x_ray[:, part], y_ray[:, part], z_ray[:, part]))
    (near, at_near), (far, at_far) = keys.min(0), keys.max(0)
    covered = (torch.bitwise_and(keys ^ near, ID) == 0).sum(0)
    share = torch.where(covered == len(SUBPIXELS), 0.5, covered / len(SUBPIXELS))
    picked = torch.stack([at_near, at_far])
    two = (x_ray.gather(0, picked), y_ray.gather(0, picked), z_ray.gather(0, picked))
    origin = (start[0:1], start[1:2], start[2:3])
    colours, _ = _shade_keys(work, torch.stack([near, far]), origin, two, work.lens.pixel[frame])
    for channel, value in enumerate(colours):
        front, back = value.view(2, -1)
        images[frame, channel, y, x] = front * share + back * (1 - share)


def _edges(images: Tensor, face: Tensor) -> Tensor:
    """Pixels [F, H, W] beside a pixel that shows another face in another colour."""
    edges = torch.zeros_like(face, dtype=torch.bool)
    for axis in (1, 2):
        size = face.shape[axis] - 1
        other = face.narrow(axis, 1, size) != face.narrow(axis, 0, size)
        change = (images.narrow(axis + 1, 1, size) - images.narrow(axis + 1, 0, size)).abs_().amax(1)
        other &= change > EDGE_CONTRAST
        edges.narrow(axis, 1, size).logical_or_(other)
        edges.narrow(axis, 0, size).logical_or_(other)
    return edges


def _assemble(plane: Tensor, lens: Lens) -> Tensor:
    """Tiles [F * n * n, 256] to frames [F, H, W]."""
    side = lens.tiles
    frames = plane.view(-1, side, side, TILE, TILE).transpose(2, 3).reshape(-1, side * TILE, side * TILE)
    return frames[:, : lens.resolution, : lens.resolution]


def render(tables: Tables, pages: Pages, lens: Lens) -> tuple[Tensor, Tensor]:
    """Images [F, 3, H, W] and z-depth [F, H, W] (at pixel centres; inf where a ray leaves) of a world."""
    device = tables.geometry.device
    work = Work.of(tables, pages, lens)
    canvas = Canvas.blank(work.box_counts.shape[0], device)
    tiles = torch.arange(work.box_counts.shape[0], device=device)
    if not tables.has_room:
        tiles = tiles[work.box_counts + work.turned_counts > 0]
    tiles = tiles[work.by_load(tiles)]
    run_blocks(lambda block: _paint_tiles(work, canvas, block), tiles.split(work.size.rays // AREA), device)
    images = torch.stack([_assemble(plane, lens) for plane in canvas.colours], dim=1)
    face = _assemble(canvas.face, lens)
    depth = _assemble(canvas.depth, lens).contiguous()
    if not tables.has_room:
        outside = face >= NOTHING * 6
        depth.masked_fill_(outside, torch.inf)
        images.masked_fill_(outside[:, None], 1.0)  # tiles that hold nothing were never painted

    frame, y, x = _edges(images, face).nonzero(as_tuple=True)
    tile = (frame * lens.tiles + y // TILE) * lens.tiles + x // TILE
    order = work.by_load(tile)
    blocks = zip(*(index[order].split(work.size.rays // 2) for index in (frame, y, x)), strict=True)
    run_blocks(lambda where: _smooth_edges(work, images, where), blocks, device)
    return images, depth
