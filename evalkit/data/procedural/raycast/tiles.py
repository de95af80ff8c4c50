"""Rendering of tiles: the nearest solid of each ray, among those that may be visible in its tile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from evalkit.data.procedural.raycast.blocks import BlockSize, block_size
from evalkit.data.procedural.raycast.cameras import TILE, PinholeCameras
from evalkit.data.procedural.raycast.cull import candidates, visible
from evalkit.data.procedural.raycast.intersect import FAR_KEY, KEYS_OF_KIND, Planes, inverses, room_keys
from evalkit.data.procedural.raycast.shade import Rgb, shade_keys
from evalkit.data.procedural.raycast.tables import FACES, NOTHING, ROOM, Tables
from evalkit.data.procedural.textures.atlas import TextureAtlas

TILE_PIXELS = TILE * TILE
COST_OF_KIND = (1, 2, 3)  # rough cost of one intersection test, for each kind in `Tables.solids`

Counts = tuple[int, int, int]  # numbers of solids of each kind


@dataclass(frozen=True)
class RenderJob:
    """What is to be rendered: a world, cameras, and the solids that may be visible in each tile.

    ``candidates`` and ``counts`` have one entry for each kind in `Tables.solids`: ids [T, K] and their numbers [T].
    """

    tables: Tables
    atlas: TextureAtlas
    cameras: PinholeCameras
    candidates: tuple[Tensor, ...]
    counts: tuple[Tensor, ...]
    block: BlockSize

    @staticmethod
    def of(tables: Tables, atlas: TextureAtlas, cameras: PinholeCameras) -> RenderJob:
        """Find out what may be visible in each tile."""
        lists, counts = zip(
            *(candidates(visible(tables.geometry, ids, cameras), ids) for ids in tables.solids), strict=True
        )
        return RenderJob(tables, atlas, cameras, lists, counts, block_size(tables.geometry.device))

    @property
    def costs(self) -> Tensor:
        """Cost of a ray of each tile, [T]."""
        boxes, rotated_boxes, revolutions = self.counts
        return boxes * COST_OF_KIND[0] + rotated_boxes * COST_OF_KIND[1] + revolutions * COST_OF_KIND[2]


@dataclass(frozen=True)
class TileImages:
    """Rendered pixels by tile: red, green, blue, depth and face, [T, 256] each."""

    colours: Rgb
    depth: Tensor
    face: Tensor

    @staticmethod
    def empty(tiles: int, device: torch.device) -> TileImages:
        """Images that show nothing; colours and depth are not initialised."""
        red, green, blue, depth = (torch.empty(tiles, TILE_PIXELS, device=device) for _ in range(4))
        face = torch.full((tiles, TILE_PIXELS), NOTHING * FACES, dtype=torch.int32, device=device)
        return TileImages((red, green, blue), depth, face)


def background_keys(tables: Tables, origin: Planes, rays: Planes, inverse: Planes) -> Tensor:
    """Keys of what is behind all solids: the room, or nothing."""
    if tables.has_room:
        return room_keys(tables.geometry[:, ROOM], origin, inverse)
    return torch.full_like(rays[0], FAR_KEY, dtype=torch.int32)


def _nearest(job: RenderJob, tiles: Tensor, longest: Counts, origin: Planes, rays: Planes) -> Tensor:
    """Smallest keys [A, 256] of the rays of ``tiles`` [A]; ``longest`` are the lengths of their longest lists."""
    inverse = inverses(rays)
    keys = background_keys(job.tables, origin, rays, inverse)
    for lists, count, keys_of in zip(job.candidates, longest, KEYS_OF_KIND, strict=True):
        if count == 0:
            continue
        ids = lists[tiles, :count].T.contiguous()
        solids = job.tables.geometry.index_select(1, ids.flatten()).view(-1, *ids.shape, 1)
        nearest = keys_of(solids, ids[..., None], origin, rays, inverse).amin(0)
        keys = torch.minimum(keys, nearest, out=keys)
    return keys.clamp_(max=FAR_KEY)


def _runs(job: RenderJob, tiles: Tensor) -> Iterator[tuple[int, int, Counts]]:
    """Cut ``tiles`` [A] into runs [start, end) that fit into a block, with the lengths of the longest lists in each."""
    counts = torch.stack([count[tiles] for count in job.counts]).cpu().numpy()
    most_tests = job.block.tests // TILE_PIXELS
    start = 0
    while start < counts.shape[1]:
        fitting = max(most_tests // max(int(counts[:, start].max()), 1), 1)
        longest = int(counts[:, start : start + fitting].max())
        end = start + max(min(fitting, most_tests // max(longest, 1)), 1)
        boxes, rotated_boxes, revolutions = counts[:, start:end].max(axis=1).tolist()
        yield start, min(end, counts.shape[1]), (boxes, rotated_boxes, revolutions)
        start = end


def _tile_rays(cameras: PinholeCameras, tiles: Tensor) -> tuple[Tensor, Planes, Planes]:
    """Frames [A], origins [A, 1] and rays [A, 256] of tiles [A]."""
    side = cameras.tiles
    frame = tiles // (side * side)
    pixels = torch.arange(TILE, device=tiles.device, dtype=torch.float32) + 0.5
    left, top = tiles % side * TILE, tiles // side % side * TILE
    focal = cameras.focal[frame][:, None]
    x = ((left[:, None] + pixels) - cameras.centre_x[frame][:, None]) / focal
    y = ((top[:, None] + pixels) - cameras.centre_y[frame][:, None]) / focal
    axes = cameras.rotation[frame]
    rays = [
        ((axes[:, 0, i, None] * x)[:, None] + (axes[:, 1, i, None] * y + axes[:, 2, i, None])[..., None]).flatten(1)
        for i in range(3)
    ]
    origin = cameras.origin[frame]
    return frame, (origin[:, 0:1], origin[:, 1:2], origin[:, 2:3]), (rays[0], rays[1], rays[2])


def render_tiles(job: RenderJob, images: TileImages, tiles: Tensor) -> None:
    """Render a block of tiles [A] into ``images``."""
    frame, origin, rays = _tile_rays(job.cameras, tiles)
    keys = torch.empty_like(rays[0], dtype=torch.int32)
    for start, end, longest in _runs(job, tiles):
        part = slice(start, end)
        part_origin = (origin[0][part], origin[1][part], origin[2][part])
        part_rays = (rays[0][part], rays[1][part], rays[2][part])
        keys[part] = _nearest(job, tiles[part], longest, part_origin, part_rays)
    pixel_width = job.cameras.pixel_width[frame][:, None]
    colours, hits = shade_keys(job.tables, job.atlas, keys, origin, rays, pixel_width)
    planes = (*images.colours, images.depth, images.face)
    for plane, values in zip(planes, (*colours, hits.depth, hits.face), strict=True):
        plane.index_copy_(0, tiles, values.view(-1, TILE_PIXELS))
