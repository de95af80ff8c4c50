"""What a scene is made of: materials, boxes, surfaces of revolution and lights.

World axes: x and y on the floor, z up, in metres. A surface of revolution is x^2 + y^2 <= a + b z + c z^2 in its own
frame, between two horizontal planes. Cylinder, sphere, cone, bowl and vase are special cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

QUARTER_TURN = math.pi / 2

Colour = tuple[float, float, float]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """How a surface looks: colour x (1 + contrast x (texture - mean)) x variation of its cell.

    Attributes:
        colour: linear RGB.
        texture: index of a texture in the atlas.
        contrast: how much the texture changes the colour, 0 to 1.
        scale: repetitions of the texture in a metre, along u and v.
        offset: shift of the texture, in textures.
        cells: size of a cell (plank, brick, tile) in metres along u and v; 0 for no cells.
        row_shift: shift of a row of cells against the row before, in cells.
        joint_width: width of the joint between cells, in metres.
        joint_brightness: brightness of the joint, relative to the cells.
        lightness_variation, hue_variation: how much cells differ in lightness and hue.
        shuffle_texture: 1 if each cell shows another part of the texture, else 0.
        emission: share of the light that the surface emits itself, 0 to 1.
    """

    colour: Colour
    texture: int
    contrast: float
    scale: tuple[float, float]
    offset: tuple[float, float] = (0.0, 0.0)
    cells: tuple[float, float] = (0.0, 0.0)
    row_shift: float = 0.0
    joint_width: float = 0.0
    joint_brightness: float = 1.0
    lightness_variation: float = 0.0
    hue_variation: float = 0.0
    shuffle_texture: float = 0.0
    emission: float = 0.0

    def with_swapped_axes(self) -> Material:
        """Return the material for a face whose u and v are swapped."""
        return replace(self, scale=self.scale[::-1], cells=self.cells[::-1])


@dataclass(frozen=True)
class Solid:
    """A box or a surface of revolution.

    Attributes:
        centre: position of the middle.
        half: half sizes along the solid's own axes.
        yaw: rotation about z, in radians.
        faces: materials of -x, +x, -y, +y, -z, +z. The first four are the quarters of the side of a surface of
            revolution.
        quadric: (a, b, c) of a surface of revolution, None for a box.
    """

    centre: Vector
    half: Vector
    yaw: float
    faces: tuple[Material, Material, Material, Material, Material, Material]
    quadric: Vector | None = None


def axis_aligned(solid: Solid) -> Solid:
    """Turn a box that is rotated by a multiple of 90 degrees into one without rotation, which is cheaper to render.

    Other solids are returned as they are.
    """
    quarters = round(solid.yaw / QUARTER_TURN)
    if solid.quadric or abs(solid.yaw - quarters * QUARTER_TURN) > 1e-9:
        return solid
    back, front, left, right, below, above = solid.faces
    half = solid.half
    for _ in range(quarters % 4):
        back, front, left, right = right, left, back, front
        below, above = below.with_swapped_axes(), above.with_swapped_axes()
        half = (half[1], half[0], half[2])
    return replace(solid, half=half, yaw=0.0, faces=(back, front, left, right, below, above))


@dataclass(frozen=True)
class Light:
    """An area light: the parallelogram ``centre`` ± ``u`` ± ``v``. ``power`` is linear RGB one metre away."""

    centre: Vector
    u: Vector
    v: Vector
    power: Colour


@dataclass
class Scene:
    """Solids and lights.

    Attributes:
        room: the box around everything, seen from inside; None for a white background.
        ambient: linear RGB of the light that comes from everywhere.
        light_spacing: metres between neighbouring points of furniture at which light is computed.
    """

    solids: list[Solid] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)
    room: Solid | None = None
    ambient: Colour = (0.5, 0.5, 0.5)
    light_spacing: float = 0.4

    def add_box(self, centre: Vector, size: Vector, material: Material, yaw: float = 0.0) -> None:
        """Add a box by its centre and full size."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        self.solids.append(Solid(centre, half, yaw, (material,) * 6))

    def add_revolution(self, base: Vector, height: float, bottom: float, top: float, material: Material,
                       bulge: float = 0.0) -> None:  # fmt: skip
        """Add a surface of revolution that stands on ``base``.

        ``bottom`` and ``top`` are its radii there; ``bulge`` is added to the radius at mid height.
        With z in [-h, h] from the middle, r^2 = ((r0 + r1) / 2 + k z)^2 + (bulge terms) (1 - (z / h)^2).
        """
        h, mean, slope = height / 2, (bottom + top) / 2, (top - bottom) / height
        extra = (mean + bulge) ** 2 - mean**2
        quadric = (mean**2 + extra, 2 * mean * slope, slope**2 - extra / h**2)
        widest = max(quadric[0] + quadric[1] * z + quadric[2] * z * z for z in (h * i / 16 for i in range(-16, 17)))
        radius = math.sqrt(widest) * 1.001
        centre = (base[0], base[1], base[2] + h)
        self.solids.append(Solid(centre, (radius, radius, h), 0.0, (material,) * 6, quadric))

    def add_ball(self, centre: Vector, radius: float, material: Material, height_ratio: float = 1.0) -> None:
        """Add a sphere, or an ellipsoid whose height is ``height_ratio`` times its width."""
        h = radius * height_ratio
        quadric = (radius**2, 0.0, -1.0 / height_ratio**2)
        self.solids.append(Solid(centre, (radius, radius, h), 0.0, (material,) * 6, quadric))

    def move(self, first: int, offset: Vector, yaw: float) -> None:
        """Rotate the solids from number ``first`` on by ``yaw`` about the z axis, then shift them by ``offset``."""
        c, s = math.cos(yaw), math.sin(yaw)
        for i in range(first, len(self.solids)):
            solid = self.solids[i]
            x, y, z = solid.centre
            centre = (c * x - s * y + offset[0], s * x + c * y + offset[1], z + offset[2])
            self.solids[i] = replace(solid, centre=centre, yaw=solid.yaw + yaw)
