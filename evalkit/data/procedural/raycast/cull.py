"""Which solids can be seen through which tile of the image: exact half-space tests, all frames at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evalkit.data.procedural.scenes.solids import GEOMETRY, NOTHING

TILE = 16
MARGIN = 1e-4  # metres by which a solid counts as larger than it is, for rounding


@dataclass(frozen=True)
class Lens:
    """Cameras as rays: origins [F, 3]; rotation [F, 3, 3] (rows: camera axes in the world); focal and centre [F]."""

    origin: Tensor
    rotation: Tensor
    focal: Tensor
    centre_x: Tensor
    centre_y: Tensor
    resolution: int

    @staticmethod
    def of(w2c: Tensor, intrinsics: Tensor, resolution: int) -> Lens:
        """Convert float64 cameras [F, 4, 4], [F, 3, 3]; centres as explicit sums, equal for any number of frames."""
        r, t = w2c[:, :3, :3], w2c[:, :3, 3]
        origin = -(r[:, 0] * t[:, 0:1] + r[:, 1] * t[:, 1:2] + r[:, 2] * t[:, 2:3])
        k = intrinsics.to(torch.float32)
        return Lens(origin.to(torch.float32), r.to(torch.float32), k[:, 0, 0], k[:, 0, 2], k[:, 1, 2], resolution)

    def take(self, part: slice) -> Lens:
        """The cameras of some frames."""
        return Lens(
            self.origin[part], self.rotation[part], self.focal[part], self.centre_x[part], self.centre_y[part],
            self.resolution,
        )  # fmt: skip

    @property
    def pixel(self) -> Tensor:
        """Width of a pixel at depth 1, [F]."""
        return self.focal.reciprocal()

    @property
    def tiles(self) -> int:
        """Tiles along one side."""
        return -(-self.resolution // TILE)


def _reach(normal: Tensor, solids: dict[str, Tensor]) -> Tensor:
    """Half extent of solids [P] along normals [..., 1, 3]."""
    x, y, z = normal.unbind(-1)
    along = (x * solids["cos"] + y * solids["sin"]).abs() * solids["hx"]
    return along + (y * solids["cos"] - x * solids["sin"]).abs() * solids["hy"] + z.abs() * solids["hz"] + MARGIN


def _strips(axis: Tensor, forward: Tensor, edges: Tensor, offset: Tensor, solids: dict[str, Tensor]) -> Tensor:
    """Which solids reach into which strip between planes through the camera: [F, tiles, P]."""
    normal = axis[:, None, None] - edges[:, :, None, None] * forward[:, None, None]
    reach = _reach(normal, solids)
    distance = (normal * offset[:, None]).unbind(-1)
    side = distance[0] + distance[1] + distance[2]
    return (side + reach >= 0)[:, :-1] & (side - reach <= 0)[:, 1:]


def visible(geometry: Tensor, ids: Tensor, lens: Lens) -> Tensor:
    """Which solids ``ids`` [P] may appear in each tile: [F * tiles * tiles, P] bool, never too few."""
    solids = dict(zip(GEOMETRY, geometry.index_select(1, ids), strict=True))
    centre = torch.stack([solids["cx"], solids["cy"], solids["cz"]], dim=-1)
    offset = centre - lens.origin[:, None]
    steps = torch.arange(lens.tiles + 1, device=ids.device, dtype=torch.float32) * TILE
    right, down, forward = lens.rotation.unbind(1)
    focal = lens.focal[:, None]
    columns = _strips(right, forward, (steps - lens.centre_x[:, None]) / focal, offset, solids)
    rows = _strips(down, forward, (steps - lens.centre_y[:, None]) / focal, offset, solids)
    depth = (forward[:, None] * offset).unbind(-1)
    ahead = depth[0] + depth[1] + depth[2] + _reach(forward[:, None], solids) > 0
    seen = rows[:, :, None] & columns[:, None] & ahead[:, None, None]
    return seen.flatten(0, 2)


def candidates(seen: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Turn a mask [T, P] into lists: ids [T, K] int32 in ascending order, padded by `NOTHING`, and counts [T]."""
    counts = seen.sum(1)
    tile, solid = seen.nonzero(as_tuple=True)
    slot = torch.arange(tile.numel(), device=seen.device) - (counts.cumsum(0) - counts)[tile]
    width = int(counts.max()) if counts.numel() else 0
    lists = torch.full((seen.shape[0], max(width, 1)), NOTHING, dtype=torch.int32, device=seen.device)
    lists[tile, slot] = ids.to(torch.int32)[solid]
    return lists, counts
