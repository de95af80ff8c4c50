"""What worlds are made of: boxes and turned solids with materials, and the tables a ray-caster reads.

World axes: x, y on the floor, z up, metres. A *turned* solid is x^2 + y^2 <= a + b z + c z^2 in its own frame,
between two horizontal planes: cylinder, sphere, cone, bowl and vase are one formula.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

OUT_OF_SIGHT = 1e8
SHELL, NOTHING, SLOTS = 254, 255, 256  # ids 0..253 are solids; 254 the room around them; 255 a ray that left
GEOMETRY = ("cx", "cy", "cz", "cos", "sin", "hx", "hy", "hz", "odd", "qa", "qb", "qc")
FACE = (
    "red", "green", "blue", "red_grain", "green_grain", "blue_grain", "scale_u", "scale_v", "offset_u", "offset_v",
    "page", "density", "cells_u", "cells_v", "cell_width", "cell_height", "shift", "gap", "gap_tone", "tint", "chroma",
    "shuffle", "salt", "light_scale_u", "light_offset_u", "light_scale_v", "light_offset_v",
)  # fmt: skip
QUARTER_TURN = math.pi / 2
PAGE_SIZE, PAGE_LEVELS = 512, 8  # texels along a page; levels of its pyramid
FAR_CELLS = 1e-3  # cells a metre where a material has none: one cell of a kilometre, seen from its middle

Colour = tuple[float, float, float]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """A surface: linear colour x (1 + amount (page - mean)) x tint of its cell (plank, brick, tile).

    ``scale`` is in pages a metre; ``cells`` in metres (0: none); ``shift`` moves each row of cells against the
    one before; ``gap`` is the width of the joint in metres and ``gap_tone`` its brightness; ``tint`` and
    ``chroma`` say how much cells differ in lightness and hue; ``shuffle`` gives each cell its own piece of the
    page; ``glow`` is light of its own; ``centred`` pins the page to the middle of the face.
    """

    colour: Colour
    page: int
    amount: float
    scale: tuple[float, float]
    offset: tuple[float, float] = (0.0, 0.0)
    cells: tuple[float, float] = (0.0, 0.0)
    shift: float = 0.0
    gap: float = 0.0
    gap_tone: float = 1.0
    tint: float = 0.0
    chroma: float = 0.0
    shuffle: float = 0.0
    glow: float = 0.0

    def across(self) -> Material:
        """The same, stretched the other way: for a face whose u and v change places."""
        return replace(self, scale=self.scale[::-1], cells=self.cells[::-1])


@dataclass(frozen=True)
class Solid:
    """A box or a turned solid: centre, half sizes, yaw in radians, quadric (a, b, c) if turned, materials.

    ``faces`` are for -x, +x, -y, +y, -z, +z; a turned solid has its four quarters in place of the first four.
    """

    centre: Vector
    half: Vector
    yaw: float
    faces: tuple[Material, Material, Material, Material, Material, Material]
    quadric: Vector | None = None


def squared(solid: Solid) -> Solid:
    """Turn a box that stands at a right angle into one that is not turned at all, which is cheaper to meet."""
    quarters = round(solid.yaw / QUARTER_TURN)
    if solid.quadric or abs(solid.yaw - quarters * QUARTER_TURN) > 1e-9:
        return solid
    back, front, left, right, below, above = solid.faces
    half = solid.half
    for _ in range(quarters % 4):
        back, front, left, right = right, left, back, front
        below, above = below.across(), above.across()
        half = (half[1], half[0], half[2])
    return replace(solid, half=half, yaw=0.0, faces=(back, front, left, right, below, above))


@dataclass(frozen=True)
class Light:
    """An area light: samples are spread over ``centre`` +- ``u`` +- ``v``; ``power`` is linear RGB at a metre."""

    centre: Vector
    u: Vector
    v: Vector
    power: Colour


@dataclass
class Scene:
    """A world before it is turned into tables. ``room`` is None where there is only a white background.

    ``light_spacing``: metres between the texels of baked light on furniture.
    """

    solids: list[Solid] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)
    room: Solid | None = None
    ambient: Colour = (0.5, 0.5, 0.5)
    light_spacing: float = 0.4

    def box(self, centre: Vector, size: Vector, material: Material, yaw: float = 0.0) -> None:
        """Add a box by its centre and full size."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        self.solids.append(Solid(centre, half, yaw, (material,) * 6))

    def turned(self, base: Vector, height: float, bottom: float, top: float, material: Material,
               bulge: float = 0.0) -> None:  # fmt: skip
        """Add a turned solid on ``base`` with radii ``bottom`` and ``top``, widened by ``bulge`` at mid height.

        With z in [-h, h] from the middle, r^2 = ((r0 + r1) / 2 + k z)^2 + (bulge terms) (1 - (z / h)^2).
        """
        h, mean, slope = height / 2, (bottom + top) / 2, (top - bottom) / height
        swell = (mean + bulge) ** 2 - mean**2
        quadric = (mean**2 + swell, 2 * mean * slope, slope**2 - swell / h**2)
        widest = max(quadric[0] + quadric[1] * z + quadric[2] * z * z for z in (h * i / 16 for i in range(-16, 17)))
        radius = math.sqrt(widest) * 1.001
        centre = (base[0], base[1], base[2] + h)
        self.solids.append(Solid(centre, (radius, radius, h), 0.0, (material,) * 6, quadric))

    def ball(self, centre: Vector, radius: float, material: Material, squash: float = 1.0) -> None:
        """Add a sphere, or an ellipsoid whose height is ``squash`` times its width."""
        h = radius * squash
        quadric = (radius**2, 0.0, -1.0 / squash**2)
        self.solids.append(Solid(centre, (radius, radius, h), 0.0, (material,) * 6, quadric))

    def moved(self, since: int, offset: Vector, yaw: float) -> None:
        """Turn by ``yaw`` and then shift all solids added since there were ``since`` of them."""
        c, s = math.cos(yaw), math.sin(yaw)
        for i in range(since, len(self.solids)):
            solid = self.solids[i]
            x, y, z = solid.centre
            centre = (c * x - s * y + offset[0], s * x + c * y + offset[1], z + offset[2])
            self.solids[i] = replace(solid, centre=centre, yaw=solid.yaw + yaw)


@dataclass(frozen=True)
class Tables:
    """A world as the ray-caster reads it.

    geometry [12, 256] and faces [27, 256 * 6], rows named by `GEOMETRY` and `FACE`; solids: ids of boxes, of boxes
    at an angle, and of turned solids; only: for each kind, ids [256] that are of it, or `NOTHING`; lightmap:
    [1, 3, H, W] linear light (see `lightmap.bake`).
    """

    geometry: Tensor
    faces: Tensor
    solids: tuple[Tensor, Tensor, Tensor]
    only: Tensor
    has_room: bool
    lightmap: Tensor

    def to(self, device: str) -> Tables:
        """Move to a device."""
        return Tables(
            self.geometry.to(device),
            self.faces.to(device),
            (self.solids[0].to(device), self.solids[1].to(device), self.solids[2].to(device)),
            self.only.to(device),
            self.has_room,
            self.lightmap.to(device),
        )


def geometry_table(plan: Scene) -> Tensor:
    """Tabulate where the solids are: [12, 256] float32. Unused slots hold a box that is out of sight."""
    unused = [OUT_OF_SIGHT, OUT_OF_SIGHT, OUT_OF_SIGHT, 1, 0, 1, 1, 1, 0, 0, 0, 0]
    table = torch.tensor(unused, dtype=torch.float64).repeat(SLOTS, 1)
    rows = list(enumerate(plan.solids)) + ([(SHELL, plan.room)] if plan.room else [])
    if len(plan.solids) > SHELL:
        raise ValueError(f"a world holds at most {SHELL} solids, got {len(plan.solids)}")
    for i, solid in rows:
        quadric = solid.quadric or (0.0, 0.0, 0.0)
        yaw = (math.cos(solid.yaw), math.sin(solid.yaw))
        odd = float(solid.quadric is not None or solid.yaw != 0)
        table[i] = torch.tensor([*solid.centre, *yaw, *solid.half, odd, *quadric])
    return table.to(torch.float32).T.contiguous()


@dataclass(frozen=True)
class Patch:
    """Where a face's ``count`` x ``count`` light texels are in a lightmap of ``width`` x ``height``."""

    x: int
    y: int
    count: int
    width: int
    height: int


def _light_columns(solid: Solid, face: int, patch: Patch) -> list[float]:
    """How (u, v) on a face becomes a position in the lightmap, in grid_sample's [-1, 1]; texels lie on the edges."""
    last, half = float(patch.count - 1), solid.half
    if solid.quadric and face < 4:
        across, start = last / (half[0] * QUARTER_TURN), -face * last
    else:
        across, start = last / (2 * (half[1] if face < 2 else half[0])), last / 2
    up = last / (2 * (half[1] if face > 3 else half[2]))
    to_x, to_y = 2 / patch.width, 2 / patch.height
    middle_x, middle_y = (start + patch.x + 0.5) * to_x - 1, (last / 2 + patch.y + 0.5) * to_y - 1
    return [across * to_x, middle_x, up * to_y, middle_y]


def face_row(solid: Solid, face: int, salt: int, patch: Patch) -> list[float]:
    """One row of the face table: all that can be worked out before rays are known is.

    A face's colour is (plain + grain x page) x light.
    """
    m = solid.faces[face]
    plain = [c * (1 - m.amount) for c in m.colour]
    grain = [c * m.amount * 2 for c in m.colour]
    cells = [1 / size if size else FAR_CELLS for size in m.cells]
    density = math.sqrt(m.scale[0] * m.scale[1]) * PAGE_SIZE
    return [
        *plain, *grain, m.scale[0], -m.scale[1], *m.offset, m.page * PAGE_LEVELS, density,
        *cells, 1 / cells[0], 1 / cells[1], m.shift, m.gap, m.gap_tone - 1, m.tint / 128, m.chroma / 128,
        m.shuffle / 256, salt,
        *_light_columns(solid, face, patch),
    ]  # fmt: skip
