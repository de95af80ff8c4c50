"""`orbits`: things on a table in the middle of a furnished room."""

from __future__ import annotations

import math
from collections.abc import Callable

from evalkit.data.procedural.rng import Dice
from evalkit.data.procedural.scenes import furniture as f
from evalkit.data.procedural.scenes.palettes import PALETTES
from evalkit.data.procedural.scenes.rooms import plan_room
from evalkit.data.procedural.scenes.solids import Colour, Scene
from evalkit.data.procedural.textures import materials as m

TABLE_HEIGHT = 0.72
BRIGHT: tuple[Colour, ...] = (
    (0.78, 0.30, 0.24), (0.24, 0.42, 0.58), (0.90, 0.74, 0.36), (0.36, 0.52, 0.40), (0.88, 0.85, 0.78),
    (0.52, 0.34, 0.48), (0.85, 0.55, 0.34),
)  # fmt: skip


def _teapot(plan: Scene, dice: Dice, colour: Colour) -> None:
    glaze = m.stone(colour, dice)
    plan.turned((0, 0, 0), 0.17, 0.06, 0.05, glaze, bulge=0.055)
    plan.turned((0, 0, 0.17), 0.02, 0.052, 0.03, m.paint(colour, dice))
    plan.ball((0, 0, 0.205), 0.018, m.paint(f.BRASS, dice))
    for i in range(3):
        plan.ball((0.115 + 0.024 * i, 0, 0.07 + 0.032 * i), 0.026 - 0.004 * i, glaze)
    for x, z, size in (
        (-0.13, 0.13, (0.07, 0.02, 0.018)),
        (-0.16, 0.095, (0.018, 0.02, 0.08)),
        (-0.13, 0.055, (0.07, 0.02, 0.018)),
    ):
        plan.box((x, 0, z), size, m.paint(f.DARK, dice))


def _stack_of_books(plan: Scene, dice: Dice, colour: Colour) -> None:
    z = 0.0
    for _ in range(4 + dice.integer(3)):
        size = (dice.uniform(0.2, 0.28), dice.uniform(0.14, 0.19), dice.uniform(0.018, 0.045))
        yaw = dice.uniform(-0.35, 0.35)
        plan.box((0, 0, z + size[2] / 2), size, m.cloth(dice.pick(BRIGHT), dice), yaw)
        plan.box(
            (0.004, 0.004, z + size[2] / 2),
            (size[0], size[1] + 0.002, size[2] * 0.7),
            m.paint((0.93, 0.90, 0.82), dice),
            yaw,
        )
        z += size[2]
    if dice.chance(0.7):
        plan.ball((0.02, 0, z + 0.05), 0.05, m.stone(colour, dice))


def _vase(plan: Scene, dice: Dice, colour: Colour) -> None:
    plan.turned((0, 0, 0), 0.2, 0.045, 0.032, m.stone(colour, dice), bulge=0.045)
    for i in range(5):
        angle = 2.4 * i
        reach, z = 0.045 + 0.01 * i, 0.27 + 0.028 * ((i * 2) % 5)
        plan.turned(
            (reach * math.cos(angle) * 0.5, reach * math.sin(angle) * 0.5, 0.18),
            z - 0.18,
            0.004,
            0.004,
            m.paint(f.LEAF, dice),
        )
        plan.ball(
            (reach * math.cos(angle), reach * math.sin(angle), z),
            0.042,
            m.leaves(dice.pick((f.LEAF, *BRIGHT[:3])), dice),
            0.8,
        )


def _toy_house(plan: Scene, dice: Dice, colour: Colour) -> None:
    plan.box((0, 0, 0.09), (0.2, 0.15, 0.18), m.bricks_small(colour, dice))
    for i in range(5):
        plan.box(
            (0, 0, 0.19 + 0.02 * i),
            (0.22 - 0.01 * i, 0.18 - 0.036 * i, 0.021),
            m.planks_small((0.60, 0.30, 0.24), dice),
        )
    plan.box((0.05, 0.03, 0.28), (0.03, 0.03, 0.09), m.bricks_small((0.66, 0.40, 0.32), dice))
    for side in (-1, 1):
        plan.box((0.05 * side, side * 0.076, 0.1), (0.045, 0.006, 0.05), m.paint((0.72, 0.84, 0.90), dice))
        plan.box((-0.05 * side, side * 0.076, 0.05), (0.045, 0.006, 0.1), m.timber((0.42, 0.30, 0.2), dice))


def _fruit_bowl(plan: Scene, dice: Dice, colour: Colour) -> None:
    plan.turned((0, 0, 0), 0.015, 0.05, 0.045, m.stone(colour, dice))
    plan.turned((0, 0, 0.015), 0.07, 0.07, 0.16, m.stone(colour, dice), bulge=0.02)
    for i in range(6):
        angle, reach = 1.05 * i, 0.075 if i else 0.0
        fruit = dice.pick(((0.82, 0.32, 0.22), (0.90, 0.66, 0.24), (0.62, 0.70, 0.28), (0.55, 0.24, 0.26)))
        plan.ball(
            (reach * math.cos(angle), reach * math.sin(angle), 0.1 + 0.03 * (i == 0)),
            dice.uniform(0.036, 0.046),
            m.stone(fruit, dice),
        )


def _blocks(plan: Scene, dice: Dice, colour: Colour) -> None:
    for x, z in ((-0.07, 0.0), (0.0, 0.0), (0.07, 0.0), (-0.035, 0.065), (0.035, 0.065), (0.0, 0.13)):
        size = (0.062, 0.062, 0.062)
        plan.box((x, 0, z + 0.031), size, m.picture(dice.integer(m.PICTURES), 0.062, 0.062), dice.uniform(-0.3, 0.3))


def _radio(plan: Scene, dice: Dice, colour: Colour) -> None:
    plan.box((0, 0, 0.08), (0.3, 0.12, 0.15), m.timber((0.5, 0.34, 0.22), dice))
    plan.box((0, 0, 0.08), (0.27, 0.126, 0.12), m.stripes(colour, dice))
    for x in (-0.1, 0.1):
        plan.ball((x, -0.065, 0.05), 0.02, m.paint(f.BRASS, dice))
        plan.ball((x, 0.065, 0.05), 0.02, m.paint(f.BRASS, dice))
    plan.box((0, 0, 0.16), (0.12, 0.03, 0.015), m.paint(f.DARK, dice))


THINGS: tuple[Callable[[Scene, Dice, Colour], None], ...] = (
    _teapot, _stack_of_books, _vase, _toy_house, _fruit_bowl, _blocks, _radio,
)  # fmt: skip


def plan_orbit(dice: Dice) -> Scene:
    """Scene a room with a table in its middle and a handful of things on it."""
    plan = plan_room(dice.fork("room"))
    palette, part = dice.pick(PALETTES), dice.fork("table")
    top = part.pick((m.planks, m.timber))(m.varied(palette.wood, part), part)
    yaw = part.uniform(0, math.pi)
    start = len(plan.solids)
    f.table(plan, part.uniform(0.85, 1.0), part.uniform(0.7, 0.8), TABLE_HEIGHT, top, y=0.0)
    plan.box(
        (0, 0, TABLE_HEIGHT + 0.002), (0.42, 0.42, 0.004), m.rug(part.integer(4), 0.42, 0.42), yaw=part.uniform(0, 1)
    )
    plan.moved(start, (0, 0, 0), yaw)
    things, colours = part.shuffled(THINGS), part.shuffled(BRIGHT)
    spots = ((0.0, 0.0), (0.27, 0.18), (-0.27, 0.2), (0.26, -0.2), (-0.26, -0.18))
    for i, (x, y) in enumerate(spots[: 4 + part.integer(2)]):
        start = len(plan.solids)
        things[i](plan, part.fork(f"thing{i}"), colours[i])
        plan.moved(start, (x, y, TABLE_HEIGHT + 0.004), part.uniform(0, 2 * math.pi))
        if i:
            plan.moved(start, (0, 0, 0), 0.0)
    return plan
