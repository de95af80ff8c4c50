"""Images and depth of a world. Frames are rendered in groups, and the tiles of a group in blocks."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.data.procedural.raycast.blocks import frames_at_once, run_blocks
from evalkit.data.procedural.raycast.cameras import TILE, PinholeCameras
from evalkit.data.procedural.raycast.edges import smooth_edges
from evalkit.data.procedural.raycast.tables import FACES, NOTHING, Tables
from evalkit.data.procedural.raycast.tiles import TILE_PIXELS, RenderJob, TileImages, render_tiles
from evalkit.data.procedural.textures.atlas import TextureAtlas


def render(tables: Tables, atlas: TextureAtlas, cameras: PinholeCameras) -> tuple[Tensor, Tensor]:
    """Render a world.

    Groups of frames are rendered in parallel. A pixel does not depend on the group that it is in.

    Returns:
        Images [F, 3, H, W], and z-depth [F, H, W] at pixel centres, inf where a ray hits nothing.
    """
    device, count = tables.geometry.device, len(cameras.origin)
    images = torch.empty(count, 3, cameras.resolution, cameras.resolution, device=device)
    depth = torch.empty(count, cameras.resolution, cameras.resolution, device=device)
    group = frames_at_once(cameras.resolution, count, device)

    def render_group(start: int) -> None:
        part = slice(start, start + group)
        _render_frames(tables, atlas, cameras.take(part), images[part], depth[part])

    run_blocks(render_group, range(0, count, group), device)
    return images, depth


def _render_frames(tables: Tables, atlas: TextureAtlas, cameras: PinholeCameras, images: Tensor, depth: Tensor) -> None:
    """Render into images [F, 3, H, W] and depth [F, H, W]."""
    job = RenderJob.of(tables, atlas, cameras)
    rendered = _render_all_tiles(job, images.device)
    for channel, plane in enumerate(rendered.colours):
        images[:, channel] = _assemble(plane, cameras)
    depth.copy_(_assemble(rendered.depth, cameras))
    face = _assemble(rendered.face, cameras)
    if not tables.has_room:
        outside = face >= NOTHING * FACES
        depth.masked_fill_(outside, torch.inf)
        images.masked_fill_(outside[:, None], 1.0)  # tiles without solids were not rendered
    smooth_edges(job, images, face)


def _render_all_tiles(job: RenderJob, device: torch.device) -> TileImages:
    """Render all tiles that may show a solid, those with many solids first."""
    costs = job.costs
    rendered = TileImages.empty(costs.numel(), device)
    tiles = costs.argsort(descending=True, stable=True)
    if not job.tables.has_room:
        tiles = tiles[: int((costs > 0).sum())]
    block = job.block.rays // TILE_PIXELS
    for start in range(0, len(tiles), block):
        render_tiles(job, rendered, tiles[start : start + block])
    return rendered


def _assemble(plane: Tensor, cameras: PinholeCameras) -> Tensor:
    """Put tiles [F * n * n, 256] together to frames [F, H, W]."""
    side = cameras.tiles
    frames = plane.view(-1, side, side, TILE, TILE).transpose(2, 3).reshape(-1, side * TILE, side * TILE)
    return frames[:, : cameras.resolution, : cameras.resolution]
