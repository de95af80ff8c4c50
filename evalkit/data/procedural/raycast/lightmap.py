"""Light baked once a world: area lights with shadows, sky light with soft occlusion, a texel every few centimetres.

Everything is matt, so that light does not depend on the eye; the ray-caster only looks it up. Always baked on
the CPU, so that a world is the same on every device.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from evalkit.data.procedural.raycast.blocks import block_size, run_blocks
from evalkit.data.procedural.raycast.intersect import FAR, FAR_KEY, TESTS, Planes, distance_of, inverses, room_keys
from evalkit.data.procedural.scenes.solids import (
    FACE,
    NOTHING,
    SHELL,
    SLOTS,
    Patch,
    Scene,
    Solid,
    Tables,
    face_row,
    geometry_table,
    squared,
)

MOST_TEXELS = 6  # along one side of a face of furniture
ROOM_TEXELS = 27
MAP_WIDTH = 189
CASTER_THICKNESS, CASTER_WIDTH = 0.045, 0.25  # half sizes, in spacings of texels, from which a solid throws shadows
MAP_WIDTH = 189
SHADOW_SIZE = 0.3  # half width, in spacings of texels, below which a solid throws no shadow
LIFT = 0.012  # metres a shadow ray starts above its face
OCCLUSION_REACH = 0.9  # metres within which other surfaces take away sky light
DIM_BELOW = 0.12  # how much darker the ambient light is from below than from above
CORNERS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def _texel_count(solid: Solid, spacing: float, is_room: bool) -> int:
    """Texels along one side of each face of a solid, ``spacing`` metres apart if there are enough."""
    return ROOM_TEXELS if is_room else min(2 + int(2 * max(solid.half) / spacing), MOST_TEXELS)


def _unit(v: Tensor) -> Tensor:
    return v / (v * v).sum(-1, keepdim=True).sqrt().clamp_min(1e-12)


def _box_face(half: Tensor, face: int, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Points and outward normals [n, n, 3] on a face of a box, for grids s, t in [-1, 1]."""
    axis, sign = face // 2, 2.0 * (face % 2) - 1
    one = torch.full_like(s, sign)
    unit = torch.stack([(one, s, t), (s, one, t), (s, t, one)][axis], dim=-1)
    normal = torch.zeros_like(unit)
    normal[..., axis] = sign
    return unit * half, normal


def _turned_face(solid: Solid, face: int, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The same on a quarter of the side of a turned solid."""
    a, b, c = solid.quadric or (0.0, 0.0, 0.0)
    start, end = CORNERS[face], CORNERS[(face + 1) % 4]
    part = (s + 1) / 2
    x, y = start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part
    z = t * solid.half[2]
    radius = (a + b * z + c * z * z).clamp_min(1e-6).sqrt() / (x * x + y * y).sqrt()
    point = torch.stack([x * radius, y * radius, z], dim=-1)
    normal = torch.stack([x * radius, y * radius, -(b / 2 + c * z)], dim=-1)
    return point, _unit(normal)


def _patches(solid: Solid, count: int, inward: bool) -> tuple[Tensor, Tensor]:
    """World points and normals [6 n n, 3] of the light texels of a solid."""
    line = torch.linspace(-1, 1, count, dtype=torch.float64)
    t, s = torch.meshgrid(line, line, indexing="ij")
    half = torch.tensor(solid.half, dtype=torch.float64)
    faces = [
        _turned_face(solid, face, s, t) if solid.quadric and face < 4 else _box_face(half, face, s, t)
        for face in range(6)
    ]
    point = torch.stack([p for p, _ in faces]).view(-1, 3)
    normal = torch.stack([n for _, n in faces]).view(-1, 3) * (-1 if inward else 1)
    # Texels lie on edges; shadow rays start a little inside of them, else they would start in a neighbour.
    inset = 1 - LIFT / half.clamp_min(2 * LIFT)
    point = point * inset + normal * LIFT * (0.0 if inward else 2.0)
    c, s_ = math.cos(solid.yaw), math.sin(solid.yaw)
    turn = torch.tensor([[c, s_, 0], [-s_, c, 0], [0, 0, 1]], dtype=torch.float64)
    return point @ turn + torch.tensor(solid.centre, dtype=torch.float64), normal @ turn


def _distance(tables: Tables, point: Planes, ray: Planes) -> Tensor:
    """Distance along rays [N] to any solid of ``tables``, in units of the rays' length."""
    keys, inverse = torch.full_like(ray[0], FAR_KEY, dtype=torch.int32), inverses(ray)
    for solids, test in zip(tables.solids, TESTS, strict=True):
        if solids.numel():
            pairs = tables.geometry.index_select(1, solids)[..., None]
            keys = torch.minimum(keys, test(pairs, solids[:, None].to(torch.int32), point, ray, inverse).amin(0))
    return distance_of(keys)


def _planes(vectors: Tensor) -> Planes:
    x, y, z = vectors.to(torch.float32).T.contiguous()
    return x, y, z


def _direct(plan: Scene, tables: Tables, point: Tensor, normal: Tensor) -> Tensor:
    """Light from the area lights [N, 3], four shadow rays each."""
    total = torch.zeros_like(point)
    for light in plan.lights:
        middle, u, v = (torch.tensor(x, dtype=torch.float64) for x in (light.centre, light.u, light.v))
        faced = _unit(torch.linalg.cross(u, v))
        for a, b in ((-0.7, -0.3), (0.3, -0.7), (0.7, 0.3), (-0.3, 0.7)):
            ray = middle + a * u + b * v - point
            square = (ray * ray).sum(-1)
            facing = (ray * normal).sum(-1).clamp_min(0) * (ray * faced).sum(-1).abs() / square
            seen = _distance(tables, _planes(point), _planes(ray)) > 0.98
            total += (facing * seen / (square + 0.5))[:, None] * torch.tensor(light.power, dtype=torch.float64) / 4
    return total


def _occlusion(tables: Tables, point: Tensor, normal: Tensor) -> Tensor:
    """Share [N] of sky light that reaches a point: five rays, each faded by how near it meets something."""
    helper = torch.where(normal[:, 2:].abs() < 0.9, torch.tensor([[0.0, 0, 1]]), torch.tensor([[1.0, 0, 0]])).double()
    side = _unit(torch.linalg.cross(normal, helper))
    other = torch.linalg.cross(normal, side)
    rays = [normal] + [_unit(0.55 * normal + a * side + b * other) for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    total = torch.zeros_like(point[:, 0])
    for ray, weight in zip(rays, (0.32, 0.17, 0.17, 0.17, 0.17), strict=True):
        start, along = _planes(point), _planes(ray)
        distance = _distance(tables, start, along)
        if tables.has_room:
            walls = distance_of(room_keys(tables.geometry[:, SHELL], start, inverses(along)))
            distance = torch.minimum(distance, walls.clamp(0, FAR))
        total += weight * (distance.double() / OCCLUSION_REACH).clamp(0, 1).sqrt()
    return total


def _irradiance(plan: Scene, tables: Tables, point: Tensor, normal: Tensor) -> Tensor:
    """Light [N, 3] at points with normals."""
    sky = 1 + DIM_BELOW * (normal[:, 2:] - 1) / 2
    ambient = torch.tensor(plan.ambient, dtype=torch.float64) * sky * _occlusion(tables, point, normal)[:, None]
    return ambient + _direct(plan, tables, point, normal)


def _kinds(solids: list[Solid]) -> Tensor:
    """Kind by id, [256]: 0 for a box at right angles, 1 for another box, 2 for a turned solid, -1 for none."""
    kinds = torch.full((SLOTS,), -1)
    kinds[: len(solids)] = torch.tensor([2 if solid.quadric else int(solid.yaw != 0) for solid in solids])
    return kinds


def _casters(plan: Scene, tables: Tables) -> Tables:
    """Keep the solids that are large enough to throw a shadow."""
    thin, wide = CASTER_THICKNESS * plan.light_spacing, CASTER_WIDTH * plan.light_spacing
    sizes = [sorted(solid.half) for solid in plan.solids]
    small = torch.tensor([i for i, size in enumerate(sizes) if size[0] < thin or size[1] < wide], dtype=torch.int64)
    one, two, three = (ids[~torch.isin(ids, small)] for ids in tables.solids)
    return replace(tables, solids=(one, two, three))


def _arrange(counts: list[int]) -> list[Patch]:
    """Lay square patches, six of each count, on shelves: equal counts share a shelf."""
    places, x, y, shelf = {}, 0, 0, 0
    for i in sorted(range(len(counts)), key=lambda i: -counts[i]):
        for face in range(6):
            if x + counts[i] > MAP_WIDTH or counts[i] != shelf:
                x, y, shelf = 0, y + shelf, counts[i]
            places[6 * i + face] = (x, y, counts[i])
            x += counts[i]
    return [Patch(*places[k], MAP_WIDTH, y + shelf) for k in range(6 * len(counts))]


def _face_table(rows: list[tuple[int, Solid]], patches: list[Patch]) -> Tensor:
    """The face table [27, 256 * 6] of solids by id."""
    faces = torch.zeros(SLOTS * 6, len(FACE), dtype=torch.float64)
    for name in ("cell_width", "cell_height"):
        faces[:, FACE.index(name)] = 1  # what is nothing has no colour, but divides by these
    for k, (i, solid) in enumerate(rows):
        for face in range(6):
            faces[i * 6 + face] = torch.tensor(face_row(solid, face, i * 6 + face, patches[6 * k + face]))
    return faces.to(torch.float32).T.contiguous()


def bake(plan: Scene) -> Tables:
    """Tabulate a plan and its light."""
    plan = replace(plan, solids=[squared(solid) for solid in plan.solids])
    rows = [*enumerate(plan.solids), *([(SHELL, plan.room)] if plan.room else [])]
    counts = [_texel_count(solid, plan.light_spacing, i == SHELL) for i, solid in rows]
    patches = _arrange(counts)
    texels = [_patches(solid, n, inward=i == SHELL) for n, (i, solid) in zip(counts, rows, strict=True)]
    point, normal = torch.cat([p for p, _ in texels]), torch.cat([n for _, n in texels])
    glow = torch.cat([torch.full((n * n,), m.glow) for n, (_, s) in zip(counts, rows, strict=True) for m in s.faces])
    kinds = _kinds(plan.solids)
    one, two, three = ((kinds == kind).nonzero().squeeze(1) for kind in range(3))
    only = torch.stack([torch.arange(SLOTS).masked_fill(kinds != kind, NOTHING) for kind in range(3)]).to(torch.int32)
    tables = Tables(
        geometry_table(plan), _face_table(rows, patches), (one, two, three), only, plan.room is not None,
        torch.zeros(1, 3, patches[0].height, MAP_WIDTH),
    )  # fmt: skip
    shades = _casters(plan, tables)
    block = max(block_size(torch.device("cpu")).tests // max(*map(len, shades.solids), 1), 1)
    light = torch.zeros(len(point), 3)

    def fill(start: int) -> None:
        part = slice(start, start + block)
        own = glow[part, None]
        light[part] = (_irradiance(plan, shades, point[part], normal[part]) * (1 - own) + own).to(torch.float32)

    run_blocks(fill, range(0, len(point), block), torch.device("cpu"))
    start = 0
    for patch in patches:
        square = light[start : start + patch.count**2].view(patch.count, patch.count, 3).permute(2, 0, 1)
        start += patch.count**2
        tables.lightmap[0, :, patch.y : patch.y + patch.count, patch.x : patch.x + patch.count] = square
    return tables
