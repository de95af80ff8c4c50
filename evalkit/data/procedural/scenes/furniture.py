"""Furniture of boxes and turned solids, each standing at the origin with its back at y = 0 and facing +y."""

from __future__ import annotations

import math

from evalkit.data.procedural.rng import Dice
from evalkit.data.procedural.scenes.solids import Colour, Material, Scene
from evalkit.data.procedural.textures import materials as m

METAL: Colour = (0.55, 0.54, 0.52)
BRASS: Colour = (0.72, 0.58, 0.34)
DARK: Colour = (0.16, 0.15, 0.15)
LEAF: Colour = (0.33, 0.47, 0.24)
GLAZES: tuple[Colour, ...] = (
    (0.80, 0.42, 0.30), (0.28, 0.45, 0.55), (0.88, 0.82, 0.70), (0.45, 0.52, 0.38), (0.72, 0.58, 0.26),
)  # fmt: skip


def legs(
    plan: Scene, width: float, depth: float, height: float, y: float, material: Material, radius: float = 0.022
) -> None:
    """Four round legs at the corners of a rectangle about (0, y)."""
    for sx in (-1, 1):
        for sy in (-1, 1):
            base = (sx * width / 2, y + sy * depth / 2, 0.0)
            plan.turned(base, height, radius * 0.7, radius, material)


def table(plan: Scene, width: float, depth: float, height: float, material: Material, y: float | None = None) -> None:
    """A table on four legs."""
    y = depth / 2 if y is None else y
    plan.box((0, y, height - 0.02), (width, depth, 0.04), material)
    plan.box((0, y, height - 0.075), (width - 0.12, depth - 0.12, 0.07), material)
    legs(plan, width - 0.12, depth - 0.12, height - 0.04, y, material, 0.03)


def chair(plan: Scene, wood: Material, seat: Material) -> None:
    """A chair with a slatted back, which is at y = 0."""
    plan.box((0, 0.22, 0.44), (0.42, 0.42, 0.05), seat)
    legs(plan, 0.36, 0.36, 0.42, 0.22, wood)
    for x in (-0.18, 0.18):
        plan.box((x, 0.03, 0.67), (0.035, 0.035, 0.46), wood)
    for z in (0.62, 0.74, 0.86):
        plan.box((0, 0.03, z), (0.35, 0.02, 0.06), wood)


def sofa(plan: Scene, width: float, fabric: Material, accent: list[Material]) -> None:
    """A sofa with cushions."""
    plan.box((0, 0.45, 0.22), (width, 0.86, 0.26), fabric)
    plan.box((0, 0.13, 0.52), (width, 0.22, 0.52), fabric)
    for side in (-1, 1):
        plan.box((side * (width / 2 - 0.09), 0.45, 0.38), (0.18, 0.86, 0.4), fabric)
        plan.box((side * (width / 4 - 0.05), 0.53, 0.4), (width / 2 - 0.2, 0.66, 0.13), fabric)
        plan.box((side * (width / 2 - 0.36), 0.3, 0.6), (0.38, 0.12, 0.3), accent[side], yaw=-side * 0.35)
    legs(plan, width - 0.15, 0.7, 0.1, 0.45, m.paint(DARK, Dice("leg")))


def armchair(plan: Scene, fabric: Material, accent: Material, wood: Material) -> None:
    """A low armchair."""
    plan.box((0, 0.4, 0.31), (0.62, 0.66, 0.18), fabric)
    plan.box((0, 0.1, 0.58), (0.62, 0.16, 0.5), fabric)
    plan.box((0, 0.22, 0.52), (0.36, 0.1, 0.26), accent)
    for side in (-1, 1):
        plan.box((side * 0.35, 0.4, 0.52), (0.06, 0.66, 0.05), wood)
        plan.box((side * 0.35, 0.68, 0.25), (0.05, 0.05, 0.5), wood)
        plan.box((side * 0.35, 0.12, 0.25), (0.05, 0.05, 0.5), wood)


def bookcase(plan: Scene, width: float, height: float, wood: Material, dice: Dice) -> None:
    """Shelves of books and a few things."""
    depth, boards = 0.3, 5
    plan.box((0, 0.01, height / 2), (width, 0.02, height), wood)
    for side in (-1, 1):
        plan.box((side * (width / 2 - 0.012), depth / 2, height / 2), (0.024, depth, height), wood)
    gap = (height - 0.08) / boards
    for i in range(boards + 1):
        plan.box((0, depth / 2, 0.07 + i * gap), (width - 0.04, depth, 0.024), wood)
    for i in range(boards):
        floor, room = 0.082 + i * gap, gap - 0.05
        filled = dice.uniform(0.55, 1.0) * (width - 0.06)
        end = dice.sign()
        material = m.books(dice.integer(m.BOOK_ROWS), room, dice.fork(f"row{i}"))
        plan.box((end * (width - 0.06 - filled) / 2, 0.13, floor + room / 2), (filled, 0.2, room), material)
        if width - filled > 0.3:
            ornament(plan, (-end * (filled / 2 + 0.02), 0.17, floor), 0.75, dice)


def ornament(plan: Scene, base: tuple[float, float, float], scale: float, dice: Dice) -> None:
    """A vase, bowl, box or ball on a surface, up to 0.3 m high at scale 1."""
    glaze = m.stone(m.varied(dice.pick(GLAZES), dice), dice)
    kind, (x, y, z) = dice.integer(4), base
    if kind == 0:
        plan.turned(base, 0.24 * scale, 0.05 * scale, 0.03 * scale, glaze, bulge=0.045 * scale)
    elif kind == 1:
        plan.turned(base, 0.1 * scale, 0.06 * scale, 0.13 * scale, glaze, bulge=0.015 * scale)
    elif kind == 2:
        plan.box(
            (x, y, z + 0.07 * scale), (0.2 * scale, 0.15 * scale, 0.14 * scale), glaze, yaw=dice.uniform(-0.5, 0.5)
        )
    else:
        plan.turned(base, 0.04 * scale, 0.05 * scale, 0.04 * scale, m.paint(BRASS, dice))
        plan.ball((x, y, z + 0.14 * scale), 0.1 * scale, glaze)


def cabinet(
    plan: Scene, width: float, height: float, depth: float, wood: Material, front: Material, dice: Dice
) -> None:
    """A sideboard: doors with knobs, things on top."""
    plan.box((0, depth / 2, height / 2 + 0.04), (width, depth, height - 0.08), wood)
    plan.box((0, depth / 2, height - 0.0125), (width + 0.04, depth + 0.03, 0.025), wood)
    legs(plan, width - 0.1, depth - 0.1, 0.08, depth / 2, wood)
    doors = max(round(width / 0.45), 2)
    for i in range(doors):
        x = (i + 0.5) / doors * width - width / 2
        plan.box((x, depth + 0.008, height / 2 + 0.03), (width / doors - 0.03, 0.016, height - 0.17), front)
        side = 1 if i % 2 == 0 else -1
        plan.ball((x + side * (width / doors / 2 - 0.06), depth + 0.03, height / 2 + 0.1), 0.016, m.paint(BRASS, dice))
    for i in range(3):
        if dice.chance(0.75):
            ornament(plan, ((i - 1) * width * 0.32, depth / 2, height), dice.uniform(0.8, 1.4), dice.fork(f"top{i}"))


def floor_lamp(plan: Scene, dice: Dice, shade: Colour) -> None:
    """A standing lamp; it glows, but its light is left to the ceiling lamp."""
    plan.turned((0, 0.22, 0), 0.03, 0.15, 0.13, m.paint(DARK, dice))
    plan.turned((0, 0.22, 0.03), 1.4, 0.012, 0.012, m.paint(BRASS, dice))
    plan.turned((0, 0.22, 1.38), 0.28, 0.22, 0.13, m.lamp(shade, dice))


def plant(plan: Scene, dice: Dice, pot: Colour) -> None:
    """A tall plant in a pot."""
    plan.turned((0, 0.3, 0), 0.34, 0.13, 0.19, m.stone(pot, dice))
    plan.turned((0, 0.3, 0.3), 0.6, 0.018, 0.012, m.timber((0.36, 0.26, 0.18), dice))
    for i in range(4):
        angle, z = 2.4 * i, 0.72 + 0.17 * i
        reach = dice.uniform(0.06, 0.14)
        green = m.leaves(m.varied(LEAF, dice, 0.12), dice)
        centre = (reach * math.cos(angle), 0.3 + reach * math.sin(angle), z)
        plan.ball(centre, dice.uniform(0.15, 0.22), green, squash=0.75)


def framed(plan: Scene, index: int, x: float, z: float, width: float, height: float) -> None:
    """A picture on the wall."""
    plan.box((x, 0.0125, z), (width, 0.025, height), m.picture(index, width, height))


def door(plan: Scene, x: float, leaf: Material, trim: Material, dice: Dice) -> None:
    """A closed door with panels and a frame."""
    plan.box((x, 0.015, 1.02), (0.86, 0.03, 2.04), leaf)
    for side in (-1, 1):
        plan.box((x + side * 0.48, 0.025, 1.06), (0.1, 0.05, 2.12), trim)
        plan.box((x + side * 0.2, 0.035, 1.45), (0.27, 0.012, 0.85), leaf)
        plan.box((x + side * 0.2, 0.035, 0.5), (0.27, 0.012, 0.6), leaf)
    plan.box((x, 0.028, 2.17), (1.1, 0.056, 0.12), trim)
    plan.ball((x - 0.36, 0.07, 1.0), 0.03, m.paint(BRASS, dice))


def window(
    plan: Scene, x: float, z: float, width: float, height: float, trim: Material, drape: Material, dice: Dice
) -> None:
    """A window with a view, cross bars, a sill and curtains."""
    plan.box((x, 0.01, z), (width, 0.02, height), m.view(dice.integer(m.VIEWS), width, height))
    for side in (-1, 1):
        plan.box((x + side * (width / 2 + 0.03), 0.03, z), (0.07, 0.06, height + 0.12), trim)
        plan.box((x, 0.03, z + side * (height / 2 + 0.03)), (width, 0.06, 0.07), trim)
        for fold in range(3):
            at = x + side * (width / 2 + 0.12 + 0.1 * fold)
            plan.turned((at, 0.11, 0.06), z + height / 2 + 0.14, 0.055, 0.05, drape)
    plan.box((x, 0.03, z), (0.05, 0.05, height), trim)
    plan.box((x, 0.03, z + height * 0.18), (width, 0.045, 0.04), trim)
    plan.box((x, 0.09, z - height / 2 - 0.07), (width + 0.2, 0.18, 0.035), trim)
    rod = z + height / 2 + 0.22
    plan.box((x, 0.11, rod), (width + 0.95, 0.025, 0.025), m.paint(DARK, dice))
