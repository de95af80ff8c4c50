"""Light texels: the points on faces at which light is computed, and their positions in the lightmap."""

from __future__ import annotations

import math
from functools import cache
from itertools import product

import torch
from torch import Tensor

from evalkit.data.procedural.primitives import Solid
from evalkit.data.procedural.raycast.tables import FACES, Patch

MOST_TEXELS = 6  # along a side of a face of furniture
ROOM_TEXELS = 27  # along a side of a face of the room
MAP_WIDTH = 189  # texels
LIFT = 0.012  # metres between a face and the start of its shadow rays
QUARTERS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # where the quarters of a surface of revolution start, (x, y)


def texel_count(solid: Solid, spacing: float, is_room: bool) -> int:
    """Texels along a side of each face of a solid: ``spacing`` metres apart, but not more than the maximum."""
    return ROOM_TEXELS if is_room else min(2 + int(2 * max(solid.half) / spacing), MOST_TEXELS)


def lay_out(counts: list[int]) -> list[Patch]:
    """Lay out square patches in the lightmap, six of each count; patches of equal size share a row."""
    positions, x, y, row_height = {}, 0, 0, 0
    for i in sorted(range(len(counts)), key=lambda i: -counts[i]):
        for face in range(FACES):
            if x + counts[i] > MAP_WIDTH or counts[i] != row_height:
                x, y, row_height = 0, y + row_height, counts[i]
            positions[FACES * i + face] = (x, y, counts[i])
            x += counts[i]
    return [Patch(*positions[k], MAP_WIDTH, y + row_height) for k in range(FACES * len(counts))]


def texel_points(solid: Solid, count: int, inward: bool) -> tuple[Tensor, Tensor]:
    """World positions and normals [6 * count * count, 3], float64, of the light texels of a solid.

    ``inward``: the solid is a room, which is seen from inside.
    """
    half = torch.tensor(solid.half, dtype=torch.float64)
    unit, normal = _unit_box(count)
    point = unit * half
    if solid.quadric:
        s, t = _grid(count)
        sides = [_side_of_revolution(solid, face, s, t) for face in range(4)]
        flat_ends = 4 * count * count
        point = torch.cat([*(p.view(-1, 3) for p, _ in sides), point[flat_ends:]])
        normal = torch.cat([*(n.view(-1, 3) for _, n in sides), normal[flat_ends:]])
    normal = normal * (-1 if inward else 1)
    # Texels lie on edges. Shadow rays start a little inside, so that they do not start in a neighbouring solid.
    inset = 1 - LIFT / half.clamp_min(2 * LIFT)
    point = point * inset + normal * LIFT * (0.0 if inward else 2.0)
    cos, sin = math.cos(solid.yaw), math.sin(solid.yaw)
    rotation = torch.tensor([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]], dtype=torch.float64)
    return point @ rotation + torch.tensor(solid.centre, dtype=torch.float64), normal @ rotation


def normalised(vectors: Tensor) -> Tensor:
    """Unit vectors [..., 3]."""
    return vectors / (vectors * vectors).sum(-1, keepdim=True).sqrt().clamp_min(1e-12)


@cache
def _grid(count: int) -> tuple[Tensor, Tensor]:
    """Grids s, t [n, n] from -1 to 1 along the two sides of a face."""
    line = torch.linspace(-1, 1, count, dtype=torch.float64)
    t, s = torch.meshgrid(line, line, indexing="ij")
    return s, t


@cache
def _unit_box(count: int) -> tuple[Tensor, Tensor]:
    """Points and outward normals [6 * n * n, 3] on the faces of the box |x|, |y|, |z| <= 1."""
    s, t = _grid(count)
    units, normals = [], []
    for axis, sign in product(range(3), (-1.0, 1.0)):
        constant = torch.full_like(s, sign)
        units.append(torch.stack([(constant, s, t), (s, constant, t), (s, t, constant)][axis], dim=-1))
        normals.append(torch.zeros_like(units[-1]))
        normals[-1][..., axis] = sign
    return torch.stack(units).view(-1, 3), torch.stack(normals).view(-1, 3)


def _side_of_revolution(solid: Solid, face: int, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Points and outward normals [n, n, 3] on a quarter of the side of a surface of revolution."""
    a, b, c = solid.quadric or (0.0, 0.0, 0.0)
    start, end = QUARTERS[face], QUARTERS[(face + 1) % 4]
    share = (s + 1) / 2
    x, y = start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
    z = t * solid.half[2]
    radius = (a + b * z + c * z * z).clamp_min(1e-6).sqrt() / (x * x + y * y).sqrt()
    point = torch.stack([x * radius, y * radius, z], dim=-1)
    normal = torch.stack([x * radius, y * radius, -(b / 2 + c * z)], dim=-1)
    return point, normalised(normal)
