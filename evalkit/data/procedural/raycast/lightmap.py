"""The lightmap: light that is computed once per world, with shadows of area lights and occlusion of ambient light.

All surfaces are matt, so that light does not depend on the direction of view, and rendering only samples the lightmap.
It is always computed on the CPU, so that a world is the same on every device.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from evalkit.data.procedural.primitives import Light, Scene, Solid, axis_aligned
from evalkit.data.procedural.raycast.blocks import block_size, run_blocks
from evalkit.data.procedural.raycast.intersect import (
    FAR,
    FAR_KEY,
    KEYS_OF_KIND,
    Planes,
    distance_of,
    inverses,
    room_keys,
)
from evalkit.data.procedural.raycast.tables import (
    GEOMETRY,
    NOTHING,
    ROOM,
    SLOTS,
    Patch,
    Tables,
    face_table,
    geometry_table,
    kinds_of,
    numbered_solids,
)
from evalkit.data.procedural.raycast.texels import MAP_WIDTH, lay_out, normalised, texel_count, texel_points

CPU = torch.device("cpu")
THINNEST_CASTER, NARROWEST_CASTER = 0.045, 0.25  # half sizes of solids that cast shadows, in spacings of texels
LIGHT_SAMPLES = ((-0.7, -0.3), (0.3, -0.7), (0.7, 0.3), (-0.3, 0.7))  # points of an area light, in its u and v
OCCLUSION_DISTANCE = 0.9  # metres within which other surfaces reduce ambient light
ROUNDING = 0.02  # metres, more than distances of hits are rounded by
AMBIENT_DECREASE = 0.12  # by which ambient light from below is darker than from above


def bake(scene: Scene) -> Tables:
    """Turn a scene into tables, and compute its light."""
    scene = replace(scene, solids=[axis_aligned(solid) for solid in scene.solids])
    numbered = numbered_solids(scene)
    counts = [texel_count(solid, scene.light_spacing, i == ROOM) for i, solid in numbered]
    patches = lay_out(counts)
    kinds = kinds_of(scene.solids)
    boxes, rotated_boxes, revolutions = ((kinds == kind).nonzero().squeeze(1) for kind in range(3))
    ids_of_kind = torch.stack([torch.arange(SLOTS).masked_fill(kinds != kind, NOTHING) for kind in range(3)])
    tables = Tables(
        geometry_table(numbered), face_table(numbered, patches), (boxes, rotated_boxes, revolutions),
        ids_of_kind.to(torch.int32), scene.room is not None, torch.zeros(1, 3, patches[0].height, MAP_WIDTH),
    )  # fmt: skip
    light = _light_of_texels(scene, tables, numbered, counts)
    return replace(tables, lightmap=_lightmap(light, patches))


def _light_of_texels(scene: Scene, tables: Tables, numbered: list[tuple[int, Solid]], counts: list[int]) -> Tensor:
    """Linear light [N, 3] of all texels, solid by solid."""
    texels = [texel_points(solid, n, inward=i == ROOM) for n, (i, solid) in zip(counts, numbered, strict=True)]
    point, normal = torch.cat([p for p, _ in texels]), torch.cat([n for _, n in texels])
    emission = torch.cat([
        torch.full((n * n,), material.emission)
        for n, (_, solid) in zip(counts, numbered, strict=True)
        for material in solid.faces
    ])  # fmt: skip
    casters = _shadow_casters(scene, tables)
    block = max(block_size(CPU).tests // max(*map(len, casters.solids), 1), 1)
    order = torch.atan2(point[:, 1], point[:, 0]).argsort(stable=True)  # neighbours together: few solids are near
    light = torch.zeros(len(point), 3)

    def fill(start: int) -> None:
        part = order[start : start + block]
        emitted = emission[part, None]
        received = _irradiance(scene, casters, point[part], normal[part])
        light[part] = (received * (1 - emitted) + emitted).to(torch.float32)

    run_blocks(fill, range(0, len(point), block), CPU)
    return light


def _lightmap(light: Tensor, patches: list[Patch]) -> Tensor:
    """Write the light [N, 3] of all texels to their patches in a map [1, 3, H, W]."""
    lightmap = torch.zeros(1, 3, patches[0].height, MAP_WIDTH)
    pixels, values, start = lightmap[0].numpy(), light.T.numpy(), 0  # hundreds of small copies: numpy starts sooner
    for patch in patches:
        square = values[:, start : start + patch.count**2].reshape(3, patch.count, patch.count)
        start += patch.count**2
        pixels[:, patch.y : patch.y + patch.count, patch.x : patch.x + patch.count] = square
    return lightmap


def _shadow_casters(scene: Scene, tables: Tables) -> Tables:
    """Keep only the solids that are large enough to cast a shadow."""
    thinnest, narrowest = THINNEST_CASTER * scene.light_spacing, NARROWEST_CASTER * scene.light_spacing
    sizes = [sorted(solid.half) for solid in scene.solids]
    small_ids = [i for i, size in enumerate(sizes) if size[0] < thinnest or size[1] < narrowest]
    small = torch.tensor(small_ids, dtype=torch.int64)
    boxes, rotated_boxes, revolutions = (ids[~torch.isin(ids, small)] for ids in tables.solids)
    return replace(tables, solids=(boxes, rotated_boxes, revolutions))


def _irradiance(scene: Scene, tables: Tables, point: Tensor, normal: Tensor) -> Tensor:
    """Light [N, 3] at points with normals [N, 3]."""
    direction_factor = 1 + AMBIENT_DECREASE * (normal[:, 2:] - 1) / 2
    ambient = torch.tensor(scene.ambient, dtype=torch.float64) * direction_factor
    ambient = ambient * _unoccluded(tables, point, normal)[:, None]
    return ambient + _direct(scene, tables, point, normal)


def _direct(scene: Scene, tables: Tables, point: Tensor, normal: Tensor) -> Tensor:
    """Light [N, 3] from the area lights, with four shadow rays each."""
    total = torch.zeros_like(point)
    for light in scene.lights:
        between = _solids_near(tables, torch.cat([point, _corners(light)]), 0.0)
        centre, u, v = (torch.tensor(vector, dtype=torch.float64) for vector in (light.centre, light.u, light.v))
        light_normal = normalised(torch.linalg.cross(u, v))
        for a, b in LIGHT_SAMPLES:
            ray = centre + a * u + b * v - point
            square = (ray * ray).sum(-1)
            facing = (ray * normal).sum(-1).clamp_min(0) * (ray * light_normal).sum(-1).abs() / square
            is_visible = facing > 0  # no shadow rays from surfaces that face away
            lit = is_visible.nonzero().squeeze(1)
            is_visible[lit] = _distance(between, _planes(point[lit]), _planes(ray[lit])) > 0.98
            power = torch.tensor(light.power, dtype=torch.float64)
            total += (facing * is_visible / (square + 0.5))[:, None] * power / 4
    return total


def _unoccluded(tables: Tables, point: Tensor, normal: Tensor) -> Tensor:
    """Share [N] of ambient light that reaches a point: five rays, each reduced by how near it hits something."""
    not_parallel = torch.where(
        normal[:, 2:].abs() < 0.9, torch.tensor([[0.0, 0, 1]]), torch.tensor([[1.0, 0, 0]])
    ).double()
    side = normalised(torch.linalg.cross(normal, not_parallel))
    other_side = torch.linalg.cross(normal, side)
    rays = [normal] + [
        normalised(0.55 * normal + a * side + b * other_side) for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]
    total, near = torch.zeros_like(point[:, 0]), _solids_near(tables, point, OCCLUSION_DISTANCE)
    for ray, weight in zip(rays, (0.32, 0.17, 0.17, 0.17, 0.17), strict=True):
        start, direction = _planes(point), _planes(ray)
        distance = _distance(near, start, direction)
        if tables.has_room:
            walls = distance_of(room_keys(tables.geometry[:, ROOM], start, inverses(direction)))
            distance = torch.minimum(distance, walls.clamp(0, FAR))
        total += weight * (distance.double() / OCCLUSION_DISTANCE).clamp(0, 1).sqrt()
    return total


def _corners(light: Light) -> Tensor:
    """Corners [4, 3] of an area light."""
    centre, u, v = (torch.tensor(vector, dtype=torch.float64) for vector in (light.centre, light.u, light.v))
    return torch.stack([centre + a * u + b * v for a, b in ((-1, -1), (1, -1), (-1, 1), (1, 1))])


def _solids_near(tables: Tables, point: Tensor, distance: float) -> Tables:
    """Keep only the solids that may be within ``distance`` of the box around the points [N, 3]."""
    reach = distance + ROUNDING
    low, high = (point.amin(0) - reach)[:, None], (point.amax(0) + reach)[:, None]
    rows = dict(zip(GEOMETRY, tables.geometry.double(), strict=True))
    centre = torch.stack([rows["cx"], rows["cy"], rows["cz"]])
    flat = torch.hypot(rows["hx"], rows["hy"])  # of a solid of any yaw
    half = torch.stack([flat, flat, rows["hz"]])
    is_near = ((centre - half <= high) & (centre + half >= low)).all(0)
    boxes, rotated_boxes, revolutions = (ids[is_near[ids]] for ids in tables.solids)
    return replace(tables, solids=(boxes, rotated_boxes, revolutions))


def _distance(tables: Tables, point: Planes, ray: Planes) -> Tensor:
    """Distance along rays [N] to the nearest solid, in lengths of the rays."""
    keys, inverse = torch.full_like(ray[0], FAR_KEY, dtype=torch.int32), inverses(ray)
    for ids, keys_of in zip(tables.solids, KEYS_OF_KIND, strict=True):
        if ids.numel():
            solids = tables.geometry.index_select(1, ids)[..., None]
            keys = torch.minimum(keys, keys_of(solids, ids[:, None].to(torch.int32), point, ray, inverse).amin(0))
    return distance_of(keys)


def _planes(vectors: Tensor) -> Planes:
    x, y, z = vectors.to(torch.float32).T.contiguous()
    return x, y, z
