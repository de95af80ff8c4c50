"""From cameras to images: tiles sorted by how much they hold, a second look at edges, exact depth.

The work of a group of frames goes in blocks of tiles, then of edge pixels, each of any frames of the group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from evalkit.data.procedural.numbers import ONE, at_least, real
from evalkit.data.procedural.raycast.blocks import BlockSize, block_size, frames_at_once, run_blocks
from evalkit.data.procedural.raycast.cull import TILE, Lens, candidates, visible
from evalkit.data.procedural.raycast.hits import Hits, locate
from evalkit.data.procedural.raycast.intersect import FAR_KEY, ID, TESTS, Planes, inverses, room_keys
from evalkit.data.procedural.raycast.shade import Rgb, shade
from evalkit.data.procedural.scenes.solids import GEOMETRY, NOTHING, SHELL, Tables
from evalkit.data.procedural.textures.atlas import Pages

AREA = TILE * TILE
EDGE_CONTRAST = 0.04  # an edge is smoothed where the colours beside it differ by more than this
WHITE_FACE = real(NOTHING * 6.0)
NEIGHBOURHOOD = 5  # a pixel and the four beside it
SUBPIXEL_ORDER = torch.tensor([[4.0], [3.0], [2.0], [1.0]])  # the first that met something else is taken
SUBPIXELS = ((-0.125, -0.375), (0.375, -0.125), (-0.375, 0.125), (0.125, 0.375))  # rotated grid


Counts = tuple[int, int, int]  # of boxes, boxes at an angle, turned solids
COST = (1, 2, 3)  # of a test against each, roughly


@dataclass(frozen=True)
class Work:
    """One rendering: world, cameras, and for each kind of solid the candidates of each tile, [T, K], and counts [T]."""

    tables: Tables
    pages: Pages
    lens: Lens
    lists: tuple[Tensor, ...]
    counts: tuple[Tensor, ...]
    size: BlockSize

    @staticmethod
    def of(tables: Tables, pages: Pages, lens: Lens) -> Work:
        """Find out what each tile may show."""
        found = [candidates(visible(tables.geometry, ids, lens), ids) for ids in tables.solids]
        lists, counts = zip(*found, strict=True)
        return Work(tables, pages, lens, lists, counts, block_size(tables.geometry.device))

    @property
    def load(self) -> Tensor:
        """What a ray of each tile costs, [T]."""
        boxes, yawed, turned = self.counts
        return boxes * COST[0] + yawed * COST[1] + turned * COST[2]


def _nearest(work: Work, tiles: Tensor, most: Counts, origin: Planes, rays: Planes) -> Tensor:
    """Smallest keys [A, 256] of the rays of ``tiles`` [A] over their candidates."""
    inverse = inverses(rays)
    if work.tables.has_room:
        keys = room_keys(work.tables.geometry[:, SHELL], origin, inverse)
    else:
        keys = torch.full_like(rays[0], FAR_KEY, dtype=torch.int32)
    for lists, count, test in zip(work.lists, most, TESTS, strict=True):
        if count == 0:
            continue
        ids = lists[tiles, :count].T.contiguous()
        pairs = work.tables.geometry.index_select(1, ids.flatten()).view(-1, *ids.shape, 1)
        found = test(pairs, ids[..., None], origin, rays, inverse).amin(0)
        keys = torch.minimum(keys, found, out=keys)
    return keys.clamp_(max=FAR_KEY)


def _pieces(work: Work, tiles: Tensor) -> Iterator[tuple[int, int, Counts]]:
    """Cut ``tiles`` [A] into runs [start, end) that fit a block of tests, with the longest lists in each."""
    counts = torch.stack([count[tiles] for count in work.counts]).cpu().numpy()
    room = work.size.tests // AREA
    start = 0
    while start < counts.shape[1]:
        fits = max(room // max(int(counts[:, start].max()), 1), 1)
        most = int(counts[:, start : start + fits].max())
        end = start + max(min(fits, room // max(most, 1)), 1)
        boxes, yawed, turned = counts[:, start:end].max(axis=1).tolist()
        yield start, min(end, counts.shape[1]), (boxes, yawed, turned)
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
    for start, end, most in _pieces(work, tiles):
        part = slice(start, end)
        here = (origin[0][part], origin[1][part], origin[2][part])
        keys[part] = _nearest(work, tiles[part], most, here, (rays[0][part], rays[1][part], rays[2][part]))
    colours, hits = _shade_keys(work, keys, origin, rays, work.lens.pixel[frame][:, None])
    planes = (*canvas.colours, canvas.depth, canvas.face)
    for plane, value in zip(planes, (*colours, hits.depth, hits.face), strict=True):
        plane.index_copy_(0, tiles, value.view(-1, AREA))


def _neighbours(face: Tensor, frame: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Solids [5, E] seen at pixels (frame, y, x) of faces [F, H, W] and at the four beside them."""
    side = face.shape[1]
    row = frame * side
    beside = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
    places = [(row + (y + dy).clamp_(0, side - 1)).mul_(side).add_((x + dx).clamp_(0, side - 1)) for dy, dx in beside]
    return face.reshape(-1).index_select(0, torch.cat(places)).view(NEIGHBOURHOOD, -1) // 6


def _subpixel_rays(lens: Lens, frame: Tensor, y: Tensor, x: Tensor) -> tuple[Planes, Planes]:
    """Origins [1, E] and rays [4, E] of four rays through each pixel [E]."""
    sub = torch.tensor(SUBPIXELS, device=x.device).T[..., None] + 0.5
    focal, centre_x, centre_y = (values.index_select(0, frame) for values in (lens.focal, lens.centre_x, lens.centre_y))
    px, py = (sub[0] + x).sub_(centre_x).div_(focal), (sub[1] + y).sub_(centre_y).div_(focal)
    axes = lens.rotation.flatten(1).T.contiguous().index_select(1, frame)
    start = lens.origin.T.contiguous().index_select(1, frame)
    x_ray, y_ray, z_ray = ((axes[i] * px).add_(axes[i + 3] * py).add_(axes[i + 6]) for i in range(3))
    return (start[0:1], start[1:2], start[2:3]), (x_ray, y_ray, z_ray)


def _subpixel_keys(tables: Tables, solids: Tensor, origin: Planes, rays: Planes) -> Tensor:
    """Keys [4, E] of rays against the solids [5, E] of their neighbourhood, each kind where there are any of it."""
    if tables.has_room:
        keys = room_keys(tables.geometry[:, SHELL], origin, inverses(rays))
    else:
        keys = torch.full_like(rays[0], FAR_KEY, dtype=torch.int32)
    for only, test in zip(tables.only, TESTS, strict=True):
        ids = only.index_select(0, solids.flatten()).view(solids.shape)
        here = (ids.amin(0) < NOTHING).nonzero().squeeze(1)
        ids = ids.index_select(1, here)
        pairs = tables.geometry.index_select(1, ids.flatten()).view(len(GEOMETRY), len(ids), 1, len(here))
        x, y, z = (plane.index_select(1, here) for plane in rays)
        start = (origin[0].index_select(1, here), origin[1].index_select(1, here), origin[2].index_select(1, here))
        found = test(pairs, ids[:, None], start, (x, y, z), inverses((x, y, z))).amin(0)
        keys.index_copy_(1, here, torch.minimum(keys.index_select(1, here), found))
    return keys.clamp_(max=FAR_KEY)


def _smooth_edges(work: Work, images: Tensor, face: Tensor, where: tuple[Tensor, Tensor, Tensor]) -> None:
    """Repaint pixels (frame, y, x) [E] of images [F, 3, H, W] where faces [F, H, W] meet.

    Four rays a pixel, tested against what is seen around it, find out how much of it belongs to the solid at its
    centre, whose colour is known; one ray that met something else is shaded for the rest.
    """
    frame, y, x = where
    solids = _neighbours(face, frame, y, x)
    origin, rays = _subpixel_rays(work.lens, frame, y, x)
    keys = _subpixel_keys(work.tables, solids, origin, rays)
    foreign = (torch.bitwise_and(keys, ID) != solids[0]).to(torch.float32)
    share = 1 - ((foreign[0] + foreign[1]) + (foreign[2] + foreign[3])) / len(SUBPIXELS)
    share.add_(at_least(share, ONE), alpha=-0.5)  # two faces of one solid: half each, near enough
    other = (foreign * SUBPIXEL_ORDER.to(foreign.device)).max(0, keepdim=True).indices
    one = (rays[0].gather(0, other), rays[1].gather(0, other), rays[2].gather(0, other))
    colours, _ = _shade_keys(work, keys.gather(0, other), origin, one, work.lens.pixel.index_select(0, frame))
    pixels, side = images.view(-1), images.shape[-1]
    for channel, value in enumerate(colours):
        place = (frame * 3 + channel).mul_(side).add_(y).mul_(side).add_(x)
        pixels.index_copy_(0, place, pixels.index_select(0, place) * share + value * (1 - share))


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


def _render_frames(tables: Tables, pages: Pages, lens: Lens, images: Tensor, depth: Tensor) -> None:
    """Render into images [F, 3, H, W] and depth [F, H, W]."""
    work = Work.of(tables, pages, lens)
    load = work.load
    canvas = Canvas.blank(load.numel(), images.device)
    tiles = load.argsort(descending=True, stable=True)
    if not tables.has_room:
        tiles = tiles[: int((load > 0).sum())]
    for start in range(0, len(tiles), work.size.rays // AREA):
        _paint_tiles(work, canvas, tiles[start : start + work.size.rays // AREA])
    for channel, plane in enumerate(canvas.colours):
        images[:, channel] = _assemble(plane, lens)
    depth.copy_(_assemble(canvas.depth, lens))
    face = _assemble(canvas.face, lens)
    if not tables.has_room:
        outside = face >= NOTHING * 6
        depth.masked_fill_(outside, torch.inf)
        images.masked_fill_(outside[:, None], 1.0)  # tiles that hold nothing were never painted

    frame, y, x = _edges(images, face).nonzero(as_tuple=True)
    fitting = work.size.tests // (len(SUBPIXELS) * NEIGHBOURHOOD)
    for start in range(0, len(frame), fitting):
        part = slice(start, start + fitting)
        _smooth_edges(work, images, face, (frame[part], y[part], x[part]))


def render(tables: Tables, pages: Pages, lens: Lens) -> tuple[Tensor, Tensor]:
    """Images [F, 3, H, W] and z-depth [F, H, W] (at pixel centres; inf where a ray leaves) of a world.

    Groups of frames go side by side; a pixel does not depend on the group that it is in.
    """
    device, count = tables.geometry.device, len(lens.origin)
    images = torch.empty(count, 3, lens.resolution, lens.resolution, device=device)
    depth = torch.empty(count, lens.resolution, lens.resolution, device=device)
    group = frames_at_once(lens.resolution, count, device)

    def work(start: int) -> None:
        part = slice(start, start + group)
        _render_frames(tables, pages, lens.take(part), images[part], depth[part])

    run_blocks(work, range(0, count, group), device)
    return images, depth
