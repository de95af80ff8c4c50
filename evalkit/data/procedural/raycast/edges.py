"""Antialiasing: pixels on edges between faces are rendered again with four rays."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.data.procedural.raycast.cameras import PinholeCameras
from evalkit.data.procedural.raycast.intersect import FAR_KEY, ID_BITS, KEYS_OF_KIND, Planes, inverses, take_planes
from evalkit.data.procedural.raycast.scalars import ONE, at_least
from evalkit.data.procedural.raycast.shade import shade_keys
from evalkit.data.procedural.raycast.tables import FACES, GEOMETRY, NOTHING, Tables
from evalkit.data.procedural.raycast.tiles import RenderJob, background_keys

EDGE_CONTRAST = 0.04  # an edge is smoothed where the colours beside it differ by more than this
NEIGHBOURHOOD = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # (y, x) of a pixel and its four neighbours
SUBPIXELS = ((-0.125, -0.375), (0.375, -0.125), (-0.375, 0.125), (0.125, 0.375))  # rotated grid, (x, y)
SUBPIXEL_PRIORITY = torch.tensor([[4.0], [3.0], [2.0], [1.0]])  # of rays that hit another solid, the first is shaded


def edge_pixels(images: Tensor, face: Tensor) -> Tensor:
    """Pixels [F, H, W] bool of images [F, 3, H, W] beside a pixel of another face [F, H, W] and another colour."""
    edges = torch.zeros_like(face, dtype=torch.bool)
    for axis in (1, 2):
        size = face.shape[axis] - 1
        differs = face.narrow(axis, 1, size) != face.narrow(axis, 0, size)
        contrast = (images.narrow(axis + 1, 1, size) - images.narrow(axis + 1, 0, size)).abs_().amax(1)
        differs &= contrast > EDGE_CONTRAST
        edges.narrow(axis, 1, size).logical_or_(differs)
        edges.narrow(axis, 0, size).logical_or_(differs)
    return edges


def smooth_edges(job: RenderJob, images: Tensor, face: Tensor) -> None:
    """Smooth the edges of images [F, 3, H, W], in place, where faces [F, H, W] meet."""
    frame, y, x = edge_pixels(images, face).nonzero(as_tuple=True)
    block = job.block.tests // (len(SUBPIXELS) * len(NEIGHBOURHOOD))
    for start in range(0, len(frame), block):
        part = slice(start, start + block)
        _smooth_pixels(job, images, face, (frame[part], y[part], x[part]))


def _smooth_pixels(job: RenderJob, images: Tensor, face: Tensor, pixels: tuple[Tensor, Tensor, Tensor]) -> None:
    """Smooth pixels (frame, y, x), [E] each.

    Four rays per pixel are tested against the solids around it. They tell which share of the pixel shows the solid at
    its centre, whose colour is known. One ray that hits another solid is shaded for the rest.
    """
    frame, y, x = pixels
    solids = _neighbouring_solids(face, frame, y, x)
    origin, rays = _subpixel_rays(job.cameras, frame, y, x)
    keys = _subpixel_keys(job.tables, solids, origin, rays)
    is_other = (torch.bitwise_and(keys, ID_BITS) != solids[0]).to(torch.float32)
    share = 1 - ((is_other[0] + is_other[1]) + (is_other[2] + is_other[3])) / len(SUBPIXELS)
    share.add_(at_least(share, ONE), alpha=-0.5)  # two faces of one solid: half each, approximately
    ray = (is_other * SUBPIXEL_PRIORITY.to(is_other.device)).max(0, keepdim=True).indices
    other_rays = (rays[0].gather(0, ray), rays[1].gather(0, ray), rays[2].gather(0, ray))
    pixel_width = job.cameras.pixel_width.index_select(0, frame)
    colours, _ = shade_keys(job.tables, job.atlas, keys.gather(0, ray), origin, other_rays, pixel_width)
    values, side = images.view(-1), images.shape[-1]
    for channel, colour in enumerate(colours):
        index = (frame * 3 + channel).mul_(side).add_(y).mul_(side).add_(x)
        values.index_copy_(0, index, values.index_select(0, index) * share + colour * (1 - share))


def _neighbouring_solids(face: Tensor, frame: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Ids [5, E] of the solids at pixels (frame, y, x) of faces [F, H, W] and at their four neighbours."""
    side = face.shape[1]
    row = frame * side
    indices = [
        (row + (y + dy).clamp_(0, side - 1)).mul_(side).add_((x + dx).clamp_(0, side - 1)) for dy, dx in NEIGHBOURHOOD
    ]
    return face.reshape(-1).index_select(0, torch.cat(indices)).view(len(NEIGHBOURHOOD), -1) // FACES


def _subpixel_rays(cameras: PinholeCameras, frame: Tensor, y: Tensor, x: Tensor) -> tuple[Planes, Planes]:
    """Origins [1, E] and rays [4, E] of four rays through each pixel [E]."""
    sub = torch.tensor(SUBPIXELS, device=x.device).T[..., None] + 0.5
    focal, centre_x, centre_y = (
        values.index_select(0, frame) for values in (cameras.focal, cameras.centre_x, cameras.centre_y)
    )
    px, py = (sub[0] + x).sub_(centre_x).div_(focal), (sub[1] + y).sub_(centre_y).div_(focal)
    axes = cameras.rotation.flatten(1).T.contiguous().index_select(1, frame)
    origin = cameras.origin.T.contiguous().index_select(1, frame)
    x_ray, y_ray, z_ray = ((axes[i] * px).add_(axes[i + 3] * py).add_(axes[i + 6]) for i in range(3))
    return (origin[0:1], origin[1:2], origin[2:3]), (x_ray, y_ray, z_ray)


def _subpixel_keys(tables: Tables, solids: Tensor, origin: Planes, rays: Planes) -> Tensor:
    """Keys [4, E] of rays and the solids [5, E] around their pixels; each kind only where there is one of it."""
    keys = background_keys(tables, origin, rays, inverses(rays))
    for ids_of_kind, keys_of in zip(tables.ids_of_kind, KEYS_OF_KIND, strict=True):
        ids = ids_of_kind.index_select(0, solids.flatten()).view(solids.shape)
        pixels = (ids.amin(0) < NOTHING).nonzero().squeeze(1)
        ids = ids.index_select(1, pixels)
        columns = tables.geometry.index_select(1, ids.flatten()).view(len(GEOMETRY), len(ids), 1, len(pixels))
        part_rays, part_origin = take_planes(rays, pixels), take_planes(origin, pixels)
        nearest = keys_of(columns, ids[:, None], part_origin, part_rays, inverses(part_rays)).amin(0)
        keys.index_copy_(1, pixels, torch.minimum(keys.index_select(1, pixels), nearest))
    return keys.clamp_(max=FAR_KEY)
