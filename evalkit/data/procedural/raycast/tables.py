"""A scene as tables of numbers, which is what the ray-caster reads."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from evalkit.data.procedural.primitives import QUARTER_TURN, Scene, Solid
from evalkit.data.procedural.textures.atlas import MIP_LEVELS, TEXTURE_SIZE

# Ids of solids: 0 to 253 for boxes and surfaces of revolution, 254 for the room, 255 for a ray that hits nothing.
ROOM, NOTHING, SLOTS = 254, 255, 256
FACES = 6  # of each solid
FAR_AWAY = 1e8  # coordinate of unused slots
FAR_CELLS = 1e-3  # cells per metre of a material without cells: one cell of a kilometre, around its middle
GEOMETRY = ("cx", "cy", "cz", "cos", "sin", "hx", "hy", "hz", "not_axis_aligned", "qa", "qb", "qc")
FACE = (
    "red", "green", "blue", "red_gain", "green_gain", "blue_gain", "scale_u", "scale_v", "offset_u", "offset_v",
    "texture", "texels_per_metre", "cells_u", "cells_v", "cell_width", "cell_height", "row_shift", "joint_width",
    "joint_change", "lightness_variation", "hue_variation", "shuffle", "salt", "light_scale_u", "light_offset_u",
    "light_scale_v", "light_offset_v",
)  # fmt: skip


@dataclass(frozen=True)
class Tables:
    """A scene as the ray-caster reads it.

    Attributes:
        geometry: [12, 256], rows named by `GEOMETRY`: centre, cosine and sine of the yaw, half sizes, whether the solid
            is not an axis-aligned box, and its quadric.
        faces: [27, 256 * 6], rows named by `FACE`.
        solids: ids of axis-aligned boxes, of rotated boxes and of surfaces of revolution.
        ids_of_kind: for each of these three kinds, the ids [256] that are of this kind, else `NOTHING`.
        has_room: whether a room surrounds the solids.
        lightmap: linear light [1, 3, H, W], see `lightmap.bake`.
    """

    geometry: Tensor
    faces: Tensor
    solids: tuple[Tensor, Tensor, Tensor]
    ids_of_kind: Tensor
    has_room: bool
    lightmap: Tensor

    def to(self, device: str) -> Tables:
        """Move to a device."""
        return Tables(
            self.geometry.to(device),
            self.faces.to(device),
            (self.solids[0].to(device), self.solids[1].to(device), self.solids[2].to(device)),
            self.ids_of_kind.to(device),
            self.has_room,
            self.lightmap.to(device),
        )


@dataclass(frozen=True)
class Patch:
    """Position of the ``count`` x ``count`` light texels of a face in a lightmap of ``width`` x ``height`` texels."""

    x: int
    y: int
    count: int
    width: int
    height: int


def numbered_solids(scene: Scene) -> list[tuple[int, Solid]]:
    """All solids with their ids, the room last. Raises ValueError if there are too many."""
    if len(scene.solids) > ROOM:
        raise ValueError(f"a scene holds at most {ROOM} solids, got {len(scene.solids)}")
    return [*enumerate(scene.solids), *([(ROOM, scene.room)] if scene.room else [])]


def kinds_of(solids: list[Solid]) -> Tensor:
    """Kind by id, [256]: 0 axis-aligned box, 1 rotated box, 2 surface of revolution, -1 none."""
    kinds = torch.full((SLOTS,), -1)
    kinds[: len(solids)] = torch.tensor([2 if solid.quadric else int(solid.yaw != 0) for solid in solids])
    return kinds


def geometry_table(numbered: list[tuple[int, Solid]]) -> Tensor:
    """Table of positions and shapes, [12, 256] float32. Unused slots hold a box far away."""
    unused = [FAR_AWAY, FAR_AWAY, FAR_AWAY, 1, 0, 1, 1, 1, 0, 0, 0, 0]
    table = torch.tensor(unused, dtype=torch.float64).repeat(SLOTS, 1)
    for i, solid in numbered:
        quadric = solid.quadric or (0.0, 0.0, 0.0)
        yaw = (math.cos(solid.yaw), math.sin(solid.yaw))
        not_axis_aligned = float(solid.quadric is not None or solid.yaw != 0)
        table[i] = torch.tensor([*solid.centre, *yaw, *solid.half, not_axis_aligned, *quadric])
    return table.to(torch.float32).T.contiguous()


def face_table(numbered: list[tuple[int, Solid]], patches: list[Patch]) -> Tensor:
    """Table of the looks of all faces, [27, 256 * 6] float32; ``patches`` has six entries for each solid."""
    table = torch.zeros(SLOTS * FACES, len(FACE), dtype=torch.float64)
    for name in ("cell_width", "cell_height"):
        table[:, FACE.index(name)] = 1  # unused faces are black, but the shader divides by these values
    for k, (i, solid) in enumerate(numbered):
        salt = i * FACES
        rows = [_face_row(solid, face, salt + face, patches[FACES * k + face]) for face in range(FACES)]
        table[salt : salt + FACES] = torch.tensor(rows)
    return table.to(torch.float32).T.contiguous()


def _face_row(solid: Solid, face: int, salt: int, patch: Patch) -> list[float]:
    """One row of the face table. Whatever does not depend on rays is computed here.

    The colour of a point is (colour + gain x texture) x light.
    """
    material = solid.faces[face]
    base = [channel * (1 - material.contrast) for channel in material.colour]
    gain = [channel * material.contrast * 2 for channel in material.colour]
    texels_per_metre = math.sqrt(material.scale[0] * material.scale[1]) * TEXTURE_SIZE
    cells = [1 / size if size else FAR_CELLS for size in material.cells]
    return [
        *base, *gain, material.scale[0], -material.scale[1], *material.offset, material.texture * MIP_LEVELS,
        texels_per_metre, *cells, 1 / cells[0], 1 / cells[1], material.row_shift, material.joint_width,
        material.joint_brightness - 1, material.lightness_variation / 128, material.hue_variation / 128,
        material.shuffle_texture / 256, salt, *_light_columns(solid, face, patch),
    ]  # fmt: skip


def _light_columns(solid: Solid, face: int, patch: Patch) -> list[float]:
    """Scale and offset that take (u, v) on a face to grid_sample's [-1, 1] in the lightmap. Texels lie on the edges."""
    last, half = float(patch.count - 1), solid.half
    if solid.quadric and face < 4:
        per_u, start = last / (half[0] * QUARTER_TURN), -face * last
    else:
        per_u, start = last / (2 * (half[1] if face < 2 else half[0])), last / 2
    per_v = last / (2 * (half[1] if face > 3 else half[2]))
    to_x, to_y = 2 / patch.width, 2 / patch.height
    middle_x, middle_y = (start + patch.x + 0.5) * to_x - 1, (last / 2 + patch.y + 0.5) * to_y - 1
    return [per_u * to_x, middle_x, per_v * to_y, middle_y]
