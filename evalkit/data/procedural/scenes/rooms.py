"""`rooms`: interiors, each wall furnished in one of a few ways, the middle kept free for the camera."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Protocol

from evalkit.data.procedural.rng import Dice
from evalkit.data.procedural.scenes import furniture as f
from evalkit.data.procedural.scenes.palettes import PALETTES, Palette
from evalkit.data.procedural.scenes.paths import CLEAR_BALL
from evalkit.data.procedural.scenes.solids import Light, Material, Scene, Solid
from evalkit.data.procedural.textures import materials as m


class WallMaker(Protocol):
    """Furnishes a wall of this width, which runs along x through the origin and faces +y."""

    __name__: str

    def __call__(self, plan: Scene, dice: Dice, palette: Palette, width: float) -> None:
        """Add to the plan."""
        ...


def distance_to(solid: Solid, point: tuple[float, float, float]) -> float:
    """Distance from a point to the box around a solid; 0 inside."""
    x, y, z = (p - c for p, c in zip(point, solid.centre, strict=True))
    c, s = math.cos(solid.yaw), math.sin(solid.yaw)
    local = (c * x + s * y, c * y - s * x, z)
    return math.hypot(*(max(abs(a) - h, 0.0) for a, h in zip(local, solid.half, strict=True)))


class Furnisher:
    """Puts groups of solids into a room, and leaves out a group that would stand in the camera's way."""

    def __init__(self, plan: Scene, keep_out: tuple[float, float, float], radius: float) -> None:
        self.plan, self.keep_out, self.radius = plan, keep_out, radius

    def add(self, make: Callable[[Scene], None], x: float, y: float, yaw: float) -> None:
        """Make a group at the origin, move it to (x, y) turned by ``yaw``, and keep it if it leaves room."""
        group = Scene()
        make(group)
        group.moved(0, (x, y, 0.0), yaw)
        if all(distance_to(solid, self.keep_out) > self.radius for solid in group.solids):
            self.plan.solids += group.solids


def window_wall(plan: Scene, dice: Dice, palette: Palette, width: float) -> None:
    """A window with curtains; a bench or a radiator below."""
    wide, high = dice.uniform(1.3, 1.9), dice.uniform(1.2, 1.5)
    trim, drape = m.paint(palette.trim, dice), m.stripes(m.varied(palette.accents[0], dice), dice)
    f.window(plan, 0.0, 0.95 + high / 2, wide, high, trim, drape, dice)
    if dice.chance(0.5):
        plan.box((0, 0.2, 0.24), (wide, 0.4, 0.48), m.timber(palette.wood, dice))
        plan.box((0, 0.2, 0.52), (wide - 0.04, 0.38, 0.08), m.cloth(palette.fabric, dice))
        plan.box((-wide * 0.3, 0.14, 0.7), (0.36, 0.12, 0.3), m.stripes(palette.accents[1], dice), yaw=0.3)
    else:
        for i in range(7):
            plan.box(((i - 3) * 0.13, 0.1, 0.4), (0.1, 0.1, 0.58), m.paint(palette.trim, dice))
    f.framed(plan, dice.integer(m.PICTURES), width / 2 - 0.55, 1.55, 0.5, 0.7)


def sofa_wall(plan: Scene, dice: Dice, palette: Palette, width: float) -> None:
    """A sofa under pictures, between a lamp and a plant."""
    accents = [m.cloth(m.varied(a, dice), dice) for a in palette.accents]
    long = dice.uniform(1.8, 2.2)
    f.sofa(plan, long, m.cloth(m.varied(palette.fabric, dice), dice), accents)
    order = dice.shuffled(range(m.PICTURES))
    for i in range(3):
        size, x, z = dice.uniform(0.48, 0.68), (i - 1) * 0.82 + dice.uniform(-0.05, 0.05), dice.uniform(1.55, 1.75)
        f.framed(plan, order[i], x, z, size, size * dice.uniform(1.0, 1.3))
    side = dice.sign()
    lamp = len(plan.solids)
    f.floor_lamp(plan, dice, (0.98, 0.90, 0.74))
    plan.moved(lamp, (side * (long / 2 + 0.3), 0.05, 0), 0.0)
    small = len(plan.solids)
    plan.turned((0, 0.3, 0), 0.5, 0.03, 0.03, m.timber(palette.wood, dice))
    plan.turned((0, 0.3, 0.5), 0.03, 0.24, 0.24, m.timber(palette.wood, dice))
    f.ornament(plan, (0.05, 0.3, 0.53), 0.9, dice)
    plan.moved(small, (-side * (long / 2 + 0.32), 0.1, 0), 0.0)


def book_wall(plan: Scene, dice: Dice, palette: Palette, width: float) -> None:
    """Bookcases beside a sideboard with a picture or mirror above."""
    wood, tall = m.timber(m.varied(palette.wood, dice), dice), dice.uniform(1.9, 2.2)
    side = dice.sign()
    start = len(plan.solids)
    f.bookcase(plan, dice.uniform(0.9, 1.2), tall, wood, dice.fork("left"))
    plan.moved(start, (side * (width / 2 - 1.25), 0, 0), 0.0)
    start = len(plan.solids)
    f.cabinet(plan, 1.4, 0.8, 0.42, wood, m.paint(m.varied(palette.accents[2], dice), dice), dice)
    plan.moved(start, (-side * (width / 2 - 1.7), 0, 0), 0.0)
    order = dice.shuffled(range(m.PICTURES))
    f.framed(plan, order[0], -side * (width / 2 - 2.1), 1.7, 0.62, 0.8)
    f.framed(plan, order[1], -side * (width / 2 - 1.25), 1.75, 0.46, 0.6)


def door_wall(plan: Scene, dice: Dice, palette: Palette, width: float) -> None:
    """A door, a picture, a desk with a chair."""
    side = dice.sign()
    leaf = m.timber(m.varied(palette.wood, dice), dice) if dice.chance(0.5) else m.paint(palette.trim, dice)
    f.door(plan, side * (width / 2 - 1.35), leaf, m.paint(palette.trim, dice), dice)
    wood = m.timber(m.varied(palette.wood, dice), dice)
    start = len(plan.solids)
    f.table(plan, 1.25, 0.6, 0.75, wood)
    f.ornament(plan, (-0.4, 0.3, 0.75), 1.2, dice)
    for i in range(4):
        size = (0.26 - 0.02 * i, 0.19 - 0.01 * i, 0.03)
        plan.box(
            (0.3, 0.28, 0.765 + 0.03 * i), size, m.paint(dice.pick(palette.accents), dice), yaw=dice.uniform(-0.4, 0.4)
        )
    chair = len(plan.solids)
    f.chair(plan, wood, m.cloth(palette.accents[1], dice))
    plan.moved(chair, (dice.uniform(-0.2, 0.2), 1.0, 0), math.pi + dice.uniform(-0.4, 0.4))
    plan.moved(start, (-side * (width / 2 - 1.7), 0, 0), 0.0)
    order = dice.shuffled(range(m.PICTURES))
    f.framed(plan, order[0], -side * (width / 2 - 1.3), 1.65, 0.55, 0.7)
    f.framed(plan, order[1], -side * (width / 2 - 2.05), 1.6, 0.5, 0.5)


def _surroundings(plan: Scene, dice: Dice, palette: Palette, size: tuple[float, float, float]) -> None:
    """Floor, walls, ceiling, skirting and cornice."""
    wide, deep, high = size

    def wall(i: int) -> Material:
        part = dice.fork(f"wall{i}")
        if i == accent:
            kind = part.pick((m.bricks, m.plaster, m.panels))
            return kind(m.varied(palette.accent_wall, part, 0.04), part)
        return m.plaster(m.varied(palette.wall, part, 0.02), part)

    accent = dice.integer(4)
    floor = dice.pick((m.planks, m.planks, m.parquet, m.tiles))(m.varied(palette.floor, dice), dice)
    ceiling = m.plaster((0.95, 0.94, 0.92), dice, 0.14)
    faces = (wall(0), wall(1), wall(2), wall(3), floor, ceiling)
    plan.room = Solid((0.0, 0.0, high / 2), (wide / 2, deep / 2, high / 2), 0.0, faces)
    trim = m.paint(palette.trim, dice)
    for z, height, thick in ((0.06, 0.12, 0.03), (high - 0.045, 0.09, 0.09)):
        for sign in (-1, 1):
            plan.box((0, sign * (deep - thick) / 2, z), (wide, thick, height), trim)
            plan.box((sign * (wide - thick) / 2, 0, z), (thick, deep, height), trim)
    plan.turned((0, 0, high - 0.025), 0.025, 0.17, 0.2, m.lamp((0.99, 0.96, 0.88), dice))
    long, short = dice.uniform(2.2, 2.8), dice.uniform(1.6, 2.0)
    plan.box((dice.uniform(-0.3, 0.3), dice.uniform(-0.3, 0.3), 0.004), (long, short, 0.008),
             m.rug(dice.integer(4), long, short), yaw=dice.uniform(-0.15, 0.15))  # fmt: skip


def plan_room(dice: Dice) -> Scene:
    """Scene an interior whose middle is free: a ball of radius `CLEAR_BALL` about half its height."""
    plan, palette = Scene(ambient=(0.50, 0.50, 0.50)), dice.pick(PALETTES)
    wide, deep, high = dice.uniform(5.0, 6.4), dice.uniform(5.0, 6.4), dice.uniform(2.95, 3.2)
    _surroundings(plan, dice.fork("shell"), palette, (wide, deep, high))
    put = Furnisher(plan, (0.0, 0.0, high / 2), CLEAR_BALL)
    makers: tuple[WallMaker, ...] = (window_wall, sofa_wall, book_wall, door_wall)
    walls = dice.shuffled(makers)
    spots = ((0.0, -deep / 2, 0.0, wide), (wide / 2, 0.0, math.pi / 2, deep),
             (0.0, deep / 2, math.pi, wide), (-wide / 2, 0.0, -math.pi / 2, deep))  # fmt: skip
    for make, (x, y, yaw, width) in zip(walls, spots, strict=True):
        part = dice.fork(make.__name__)
        put.add(partial(make, dice=part, palette=palette, width=width), x, y, yaw)
        if make is window_wall:
            inward = (-math.sin(yaw), math.cos(yaw))
            along = (math.cos(yaw) * 0.7, math.sin(yaw) * 0.7, 0.0)
            centre = (x + 0.2 * inward[0], y + 0.2 * inward[1], 1.6)
            plan.lights.append(Light(centre, along, (0.0, 0.0, 0.6), (6.0, 6.3, 6.8)))
    plan.lights.append(Light((0.0, 0.0, high - 0.06), (0.2, 0, 0), (0, 0.2, 0), (2.6, 2.4, 2.1)))
    _corners(put, dice.fork("corners"), palette, wide, deep)
    return plan


def _corners(put: Furnisher, dice: Dice, palette: Palette, wide: float, deep: float) -> None:
    """Something in each corner: a plant, an armchair, or nothing."""
    for i, (sx, sy) in enumerate(((-1, -1), (1, -1), (1, 1), (-1, 1))):
        part = dice.fork(str(i))
        yaw = math.atan2(sx, -sy)  # facing the middle
        make: Callable[[Scene], None]
        if part.chance(0.4):
            make = partial(f.plant, dice=part, pot=m.varied(part.pick(palette.accents), part))
        elif part.chance(0.5):
            fabric, accent = m.cloth(palette.accents[2], part), m.stripes(palette.accents[1], part)
            make = partial(f.armchair, fabric=fabric, accent=accent, wood=m.timber(palette.wood, part))
        else:
            continue
        put.add(make, sx * (wide / 2 - 0.22), sy * (deep / 2 - 0.22), yaw)
