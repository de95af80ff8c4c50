"""Culling: which solids may be visible in which tile of a frame, by exact half-space tests of all frames at once."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.data.procedural.raycast.cameras import TILE, PinholeCameras
from evalkit.data.procedural.raycast.tables import GEOMETRY, NOTHING

MARGIN = 1e-4  # metres by which a solid is taken as larger than it is, because of rounding


def _half_extent(normal: Tensor, solids: dict[str, Tensor]) -> Tensor:
    """Half extent of solids [P] along normals [..., 1, 3]."""
    x, y, z = normal.unbind(-1)
    extent = (x * solids["cos"] + y * solids["sin"]).abs() * solids["hx"]
    return extent + (y * solids["cos"] - x * solids["sin"]).abs() * solids["hy"] + z.abs() * solids["hz"] + MARGIN


def _in_strips(axis: Tensor, forward: Tensor, edges: Tensor, offset: Tensor, solids: dict[str, Tensor]) -> Tensor:
    """Which solids reach into which strip between neighbouring planes through the camera: [F, tiles, P] bool."""
    normal = axis[:, None, None] - edges[:, :, None, None] * forward[:, None, None]
    extent = _half_extent(normal, solids)
    products = (normal * offset[:, None]).unbind(-1)
    distance = products[0] + products[1] + products[2]
    return (distance + extent >= 0)[:, :-1] & (distance - extent <= 0)[:, 1:]


def visible(geometry: Tensor, ids: Tensor, cameras: PinholeCameras) -> Tensor:
    """Which solids ``ids`` [P] may be visible in each tile: [F * tiles * tiles, P] bool. No visible one is left out."""
    solids = dict(zip(GEOMETRY, geometry.index_select(1, ids), strict=True))
    centre = torch.stack([solids["cx"], solids["cy"], solids["cz"]], dim=-1)
    offset = centre - cameras.origin[:, None]
    edges = torch.arange(cameras.tiles + 1, device=ids.device, dtype=torch.float32) * TILE
    right, down, forward = cameras.rotation.unbind(1)
    focal = cameras.focal[:, None]
    columns = _in_strips(right, forward, (edges - cameras.centre_x[:, None]) / focal, offset, solids)
    rows = _in_strips(down, forward, (edges - cameras.centre_y[:, None]) / focal, offset, solids)
    depth = (forward[:, None] * offset).unbind(-1)
    in_front = depth[0] + depth[1] + depth[2] + _half_extent(forward[:, None], solids) > 0
    return (rows[:, :, None] & columns[:, None] & in_front[:, None, None]).flatten(0, 2)


def candidates(is_visible: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Turn a mask [T, P] into lists of ids.

    Returns:
        Ids [T, K] int32 in ascending order, padded by `NOTHING`, and their number [T].
    """
    counts = is_visible.sum(1)
    tile, solid = is_visible.nonzero(as_tuple=True)
    slot = torch.arange(tile.numel(), device=is_visible.device) - (counts.cumsum(0) - counts)[tile]
    width = int(counts.max()) if counts.numel() else 0
    lists = torch.full((is_visible.shape[0], max(width, 1)), NOTHING, dtype=torch.int32, device=is_visible.device)
    lists[tile, slot] = ids.to(torch.int32)[solid]
    return lists, counts
