"""The world `rooms`: furnished interiors whose middle is free for the camera."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Protocol

from evalkit.data.procedural.primitives import Light, Material, Scene, Solid, Vector
from evalkit.data.procedural.rng import Rng
from evalkit.data.procedural.scenes import furniture
from evalkit.data.procedural.scenes.palettes import PALETTES, Palette
from evalkit.data.procedural.scenes.paths import CLEAR_BALL
from evalkit.data.procedural.textures import materials


class WallMaker(Protocol):
    """Furnishes a wall. The wall runs along x through the origin and faces +y."""

    def __call__(self, scene: Scene, rng: Rng, palette: Palette, width: float) -> None:
        """Add the furniture of a wall of this width to the scene."""
        ...


def distance_to(solid: Solid, point: Vector) -> float:
    """Distance from a point to the bounding box of a solid; 0 inside."""
    x, y, z = (p - c for p, c in zip(point, solid.centre, strict=True))
    c, s = math.cos(solid.yaw), math.sin(solid.yaw)
    local = (c * x + s * y, c * y - s * x, z)
    return math.hypot(*(max(abs(a) - h, 0.0) for a, h in zip(local, solid.half, strict=True)))


class Furnisher:
    """Adds groups of solids to a room, but no group that reaches into the free ball around ``free_centre``."""

    def __init__(self, scene: Scene, free_centre: Vector, free_radius: float) -> None:
        self.scene, self.free_centre, self.free_radius = scene, free_centre, free_radius

    def add(self, make: Callable[[Scene], None], x: float, y: float, yaw: float) -> None:
        """Make a group at the origin, rotate it by ``yaw``, move it to (x, y), and add it if the ball stays free."""
        group = Scene()
        make(group)
        group.move(0, (x, y, 0.0), yaw)
        if all(distance_to(solid, self.free_centre) > self.free_radius for solid in group.solids):
            self.scene.solids += group.solids


def window_wall(scene: Scene, rng: Rng, palette: Palette, width: float) -> None:
    """A window with curtains; a bench or a radiator below."""
    window_width, window_height = rng.uniform(1.3, 1.9), rng.uniform(1.2, 1.5)
    trim = materials.paint(palette.trim, rng)
    curtain = materials.stripes(materials.varied(palette.accents[0], rng), rng)
    furniture.window(scene, 0.0, 0.95 + window_height / 2, window_width, window_height, trim, curtain, rng)
    if rng.chance(0.5):
        scene.add_box((0, 0.2, 0.24), (window_width, 0.4, 0.48), materials.timber(palette.wood, rng))
        scene.add_box((0, 0.2, 0.52), (window_width - 0.04, 0.38, 0.08), materials.cloth(palette.fabric, rng))
        cushion = materials.stripes(palette.accents[1], rng)
        scene.add_box((-window_width * 0.3, 0.14, 0.7), (0.36, 0.12, 0.3), cushion, yaw=0.3)
    else:
        for i in range(7):
            scene.add_box(((i - 3) * 0.13, 0.1, 0.4), (0.1, 0.1, 0.58), materials.paint(palette.trim, rng))
    furniture.framed(scene, rng.integer(materials.PICTURES), width / 2 - 0.55, 1.55, 0.5, 0.7)


def sofa_wall(scene: Scene, rng: Rng, palette: Palette, width: float) -> None:
    """A sofa with pictures above it, a lamp on one side and a small table on the other."""
    accents = [materials.cloth(materials.varied(colour, rng), rng) for colour in palette.accents]
    sofa_width = rng.uniform(1.8, 2.2)
    furniture.sofa(scene, sofa_width, materials.cloth(materials.varied(palette.fabric, rng), rng), accents)
    pictures = rng.shuffled(range(materials.PICTURES))
    for i in range(3):
        size, x, z = rng.uniform(0.48, 0.68), (i - 1) * 0.82 + rng.uniform(-0.05, 0.05), rng.uniform(1.55, 1.75)
        furniture.framed(scene, pictures[i], x, z, size, size * rng.uniform(1.0, 1.3))
    side = rng.sign()
    first = len(scene.solids)
    furniture.floor_lamp(scene, rng, (0.98, 0.90, 0.74))
    scene.move(first, (side * (sofa_width / 2 + 0.3), 0.05, 0), 0.0)
    first = len(scene.solids)
    scene.add_revolution((0, 0.3, 0), 0.5, 0.03, 0.03, materials.timber(palette.wood, rng))
    scene.add_revolution((0, 0.3, 0.5), 0.03, 0.24, 0.24, materials.timber(palette.wood, rng))
    furniture.ornament(scene, (0.05, 0.3, 0.53), 0.9, rng)
    scene.move(first, (-side * (sofa_width / 2 + 0.32), 0.1, 0), 0.0)


def book_wall(scene: Scene, rng: Rng, palette: Palette, width: float) -> None:
    """A bookcase beside a sideboard; a picture above each."""
    wood, height = materials.timber(materials.varied(palette.wood, rng), rng), rng.uniform(1.9, 2.2)
    side = rng.sign()
    first = len(scene.solids)
    furniture.bookcase(scene, rng.uniform(0.9, 1.2), height, wood, rng.fork("left"))
    scene.move(first, (side * (width / 2 - 1.25), 0, 0), 0.0)
    first = len(scene.solids)
    front = materials.paint(materials.varied(palette.accents[2], rng), rng)
    furniture.cabinet(scene, 1.4, 0.8, 0.42, wood, front, rng)
    scene.move(first, (-side * (width / 2 - 1.7), 0, 0), 0.0)
    pictures = rng.shuffled(range(materials.PICTURES))
    furniture.framed(scene, pictures[0], -side * (width / 2 - 2.1), 1.7, 0.62, 0.8)
    furniture.framed(scene, pictures[1], -side * (width / 2 - 1.25), 1.75, 0.46, 0.6)


def door_wall(scene: Scene, rng: Rng, palette: Palette, width: float) -> None:
    """A door, a desk with a chair, two pictures."""
    side = rng.sign()
    if rng.chance(0.5):
        leaf = materials.timber(materials.varied(palette.wood, rng), rng)
    else:
        leaf = materials.paint(palette.trim, rng)
    furniture.door(scene, side * (width / 2 - 1.35), leaf, materials.paint(palette.trim, rng), rng)
    first = len(scene.solids)
    _desk(scene, rng, palette)
    scene.move(first, (-side * (width / 2 - 1.7), 0, 0), 0.0)
    pictures = rng.shuffled(range(materials.PICTURES))
    furniture.framed(scene, pictures[0], -side * (width / 2 - 1.3), 1.65, 0.55, 0.7)
    furniture.framed(scene, pictures[1], -side * (width / 2 - 2.05), 1.6, 0.5, 0.5)


def _desk(scene: Scene, rng: Rng, palette: Palette) -> None:
    """A table with an ornament, a stack of four books and a chair."""
    wood = materials.timber(materials.varied(palette.wood, rng), rng)
    furniture.table(scene, 1.25, 0.6, 0.75, wood)
    furniture.ornament(scene, (-0.4, 0.3, 0.75), 1.2, rng)
    for i in range(4):
        size = (0.26 - 0.02 * i, 0.19 - 0.01 * i, 0.03)
        cover = materials.paint(rng.choice(palette.accents), rng)
        scene.add_box((0.3, 0.28, 0.765 + 0.03 * i), size, cover, yaw=rng.uniform(-0.4, 0.4))
    first = len(scene.solids)
    furniture.chair(scene, wood, materials.cloth(palette.accents[1], rng))
    scene.move(first, (rng.uniform(-0.2, 0.2), 1.0, 0), math.pi + rng.uniform(-0.4, 0.4))


def _add_shell(scene: Scene, rng: Rng, palette: Palette, size: Vector) -> None:
    """Add floor, walls, ceiling, skirting boards, cornice, ceiling lamp and rug of a room of this size."""
    width, depth, height = size
    accent = rng.integer(4)
    floor = _floor(rng, palette)
    ceiling = materials.plaster((0.95, 0.94, 0.92), rng, 0.14)
    left, right, back, front = (_wall(rng.fork(f"wall{i}"), palette, is_accent=i == accent) for i in range(4))
    faces = (left, right, back, front, floor, ceiling)
    scene.room = Solid((0.0, 0.0, height / 2), (width / 2, depth / 2, height / 2), 0.0, faces)
    trim = materials.paint(palette.trim, rng)
    for z, trim_height, thickness in ((0.06, 0.12, 0.03), (height - 0.045, 0.09, 0.09)):
        for side in (-1, 1):
            scene.add_box((0, side * (depth - thickness) / 2, z), (width, thickness, trim_height), trim)
            scene.add_box((side * (width - thickness) / 2, 0, z), (thickness, depth, trim_height), trim)
    lamp = materials.lamp((0.99, 0.96, 0.88), rng)
    scene.add_revolution((0, 0, height - 0.025), 0.025, 0.17, 0.2, lamp)
    rug_length, rug_width = rng.uniform(2.2, 2.8), rng.uniform(1.6, 2.0)
    centre = (rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3), 0.004)
    rug = materials.rug(rng.integer(4), rug_length, rug_width)
    scene.add_box(centre, (rug_length, rug_width, 0.008), rug, yaw=rng.uniform(-0.15, 0.15))


def _floor(rng: Rng, palette: Palette) -> Material:
    kind = rng.choice((materials.planks, materials.planks, materials.parquet, materials.tiles))
    return kind(materials.varied(palette.floor, rng), rng)


def _wall(rng: Rng, palette: Palette, is_accent: bool) -> Material:
    if is_accent:
        kind = rng.choice((materials.bricks, materials.plaster, materials.panels))
        return kind(materials.varied(palette.accent_wall, rng, 0.04), rng)
    return materials.plaster(materials.varied(palette.wall, rng, 0.02), rng)


# The names are part of the seeds, see `Rng`.
WALLS: tuple[tuple[str, WallMaker], ...] = (
    ("window_wall", window_wall), ("sofa_wall", sofa_wall), ("book_wall", book_wall), ("door_wall", door_wall),
)  # fmt: skip


def make_room(rng: Rng) -> Scene:
    """Make an interior. A ball of radius `CLEAR_BALL` about its middle is free."""
    scene, palette = Scene(ambient=(0.50, 0.50, 0.50)), rng.choice(PALETTES)
    width, depth, height = rng.uniform(5.0, 6.4), rng.uniform(5.0, 6.4), rng.uniform(2.95, 3.2)
    _add_shell(scene, rng.fork("shell"), palette, (width, depth, height))
    furnisher = Furnisher(scene, (0.0, 0.0, height / 2), CLEAR_BALL)
    walls = rng.shuffled(WALLS)
    positions = ((0.0, -depth / 2, 0.0, width), (width / 2, 0.0, math.pi / 2, depth),
              (0.0, depth / 2, math.pi, width), (-width / 2, 0.0, -math.pi / 2, depth))  # fmt: skip
    for (name, make), (x, y, yaw, wall_width) in zip(walls, positions, strict=True):
        furnisher.add(partial(make, rng=rng.fork(name), palette=palette, width=wall_width), x, y, yaw)
        if make is window_wall:
            scene.lights.append(_window_light(x, y, yaw))
    scene.lights.append(Light((0.0, 0.0, height - 0.06), (0.2, 0, 0), (0, 0.2, 0), (2.6, 2.4, 2.1)))
    _add_corners(furnisher, rng.fork("corners"), palette, width, depth)
    return scene


def _window_light(x: float, y: float, yaw: float) -> Light:
    """Light through the window in the middle of a wall."""
    inward = (-math.sin(yaw), math.cos(yaw))
    along = (math.cos(yaw) * 0.7, math.sin(yaw) * 0.7, 0.0)
    return Light((x + 0.2 * inward[0], y + 0.2 * inward[1], 1.6), along, (0.0, 0.0, 0.6), (6.0, 6.3, 6.8))


def _add_corners(furnisher: Furnisher, rng: Rng, palette: Palette, width: float, depth: float) -> None:
    """Add a plant, an armchair or nothing to each corner."""
    for i, (side_x, side_y) in enumerate(((-1, -1), (1, -1), (1, 1), (-1, 1))):
        corner_rng = rng.fork(str(i))
        yaw = math.atan2(side_x, -side_y)  # faces the middle of the room
        make: Callable[[Scene], None]
        if corner_rng.chance(0.4):
            pot = materials.varied(corner_rng.choice(palette.accents), corner_rng)
            make = partial(furniture.plant, rng=corner_rng, pot=pot)
        elif corner_rng.chance(0.5):
            fabric = materials.cloth(palette.accents[2], corner_rng)
            accent = materials.stripes(palette.accents[1], corner_rng)
            wood = materials.timber(palette.wood, corner_rng)
            make = partial(furniture.armchair, fabric=fabric, accent=accent, wood=wood)
        else:
            continue
        furnisher.add(make, side_x * (width / 2 - 0.22), side_y * (depth / 2 - 0.22), yaw)
