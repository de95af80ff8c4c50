"""`turntable`: one object of a few parts before white, always within a ball of radius 0.55 about the origin."""

from __future__ import annotations

import math
from collections.abc import Callable

from evalkit.data.procedural.rng import Dice
from evalkit.data.procedural.scenes import furniture as f
from evalkit.data.procedural.scenes.orbits import BRIGHT
from evalkit.data.procedural.scenes.solids import Colour, Light, Material, Scene
from evalkit.data.procedural.textures import materials as m

SKINS: tuple[Callable[[Colour, Dice], Material], ...] = (m.stone, m.timber, m.bricks_small, m.cloth, m.stripes_small)


class Kit:
    """Materials of one object: every part another skin and colour."""

    def __init__(self, dice: Dice) -> None:
        self.dice, self.colours = dice, dice.shuffled(BRIGHT)

    def skin(self, i: int) -> Material:
        """Material of part ``i``."""
        part = self.dice.fork(f"skin{i}")
        return part.pick(SKINS)(m.varied(self.colours[i % len(self.colours)], part), part)


def _robot(plan: Scene, dice: Dice, kit: Kit) -> None:
    plan.box((0, 0, 0.02), (0.34, 0.22, 0.36), kit.skin(0))
    plan.box((0, -0.112, 0.06), (0.2, 0.01, 0.18), m.picture(dice.integer(m.PICTURES), 0.2, 0.18))
    plan.box((0, 0.112, 0.04), (0.16, 0.01, 0.2), m.picture(dice.integer(m.PICTURES), 0.16, 0.2))
    plan.turned((0, 0, 0.2), 0.05, 0.05, 0.05, m.paint(f.DARK, dice))
    plan.box((0, 0, 0.33), (0.24, 0.2, 0.18), kit.skin(1))
    for side in (-1, 1):
        plan.ball((side * 0.055, -0.1, 0.35), 0.032, m.paint((0.95, 0.93, 0.85), dice))
        plan.ball((side * 0.055, -0.125, 0.35), 0.014, m.paint(f.DARK, dice))
        plan.turned((side * 0.22, 0, -0.1), 0.26, 0.035, 0.045, kit.skin(2))
        plan.ball((side * 0.22, 0, -0.12), 0.055, kit.skin(3))
        plan.turned((side * 0.09, 0, -0.42), 0.27, 0.06, 0.05, kit.skin(2))
        plan.box((side * 0.09, -0.03, -0.44), (0.13, 0.2, 0.06), kit.skin(3))
    plan.turned((0, 0, 0.42), 0.06, 0.008, 0.008, m.paint(f.DARK, dice))
    plan.ball((0, 0, 0.49), 0.025, kit.skin(4))


def _house(plan: Scene, dice: Dice, kit: Kit) -> None:
    plan.box((0, 0, -0.37), (0.74, 0.66, 0.03), m.leaves(f.LEAF, dice))
    wide, deep = dice.uniform(0.42, 0.5), dice.uniform(0.34, 0.4)
    plan.box((0, 0, -0.14), (wide, deep, 0.44), m.bricks_small(m.varied(kit.colours[0], dice), dice))
    roof = m.planks_small((0.56, 0.28, 0.22), dice)
    for i in range(12):
        plan.box((0, 0, 0.09 + 0.022 * i), (wide + 0.08, (deep + 0.08) * (1 - i / 12), 0.024), roof)
    plan.box((wide * 0.3, 0.06, 0.3), (0.07, 0.07, 0.2), m.bricks_small((0.62, 0.36, 0.28), dice))
    for side in (-1, 1):
        for x in (-0.14, 0.14):
            plan.box((x, side * deep / 2, -0.06), (0.09, 0.02, 0.12), m.view(dice.integer(m.VIEWS), 0.09, 0.12))
            plan.box((x, side * deep / 2, -0.13), (0.12, 0.05, 0.02), m.paint((0.94, 0.92, 0.88), dice))
        plan.box((side * wide / 2, 0, -0.06), (0.02, 0.1, 0.12), m.view(dice.integer(m.VIEWS), 0.1, 0.12))
    plan.box((0, -deep / 2, -0.25), (0.1, 0.03, 0.22), m.timber((0.4, 0.28, 0.2), dice))
    for x, y in ((0.29, -0.24), (-0.28, -0.22), (0.3, 0.24)):
        plan.turned((x, y, -0.355), 0.14, 0.02, 0.014, m.timber((0.36, 0.26, 0.18), dice))
        plan.ball((x, y, -0.16), dice.uniform(0.07, 0.09), m.leaves(m.varied(f.LEAF, dice, 0.15), dice), 1.2)


def _rocket(plan: Scene, dice: Dice, kit: Kit) -> None:
    plan.turned((0, 0, -0.34), 0.5, 0.12, 0.12, kit.skin(0), bulge=0.05)
    plan.turned((0, 0, 0.16), 0.1, 0.125, 0.1, kit.skin(1))
    plan.turned((0, 0, 0.26), 0.24, 0.1, 0.005, kit.skin(2))
    plan.turned((0, 0, -0.42), 0.09, 0.15, 0.1, m.paint(f.DARK, dice))
    for i in range(4):
        angle = math.pi / 4 + i * math.pi / 2
        x, y = math.cos(angle), math.sin(angle)
        plan.box((0.2 * x, 0.2 * y, -0.3), (0.18, 0.03, 0.22), kit.skin(3), angle)
        plan.ball((0.28 * x, 0.28 * y, -0.42), 0.04, kit.skin(4))
        plan.ball((0.165 * math.sin(angle), -0.165 * math.cos(angle), 0.0), 0.045, m.paint((0.72, 0.84, 0.90), dice))


def _chair(plan: Scene, dice: Dice, kit: Kit) -> None:
    f.chair(plan, m.timber(m.varied((0.58, 0.42, 0.28), dice), dice), kit.skin(0))
    plan.box((0, 0.1, 0.56), (0.3, 0.1, 0.22), kit.skin(1), yaw=0.15)
    plan.box((0.05, 0.3, 0.485), (0.2, 0.15, 0.04), m.cloth(kit.colours[2], dice), yaw=0.4)
    plan.moved(0, (0, -0.2, -0.45), 0.0)


def _snowman(plan: Scene, dice: Dice, kit: Kit) -> None:
    for i, (z, radius) in enumerate(((-0.24, 0.23), (0.07, 0.17), (0.3, 0.12))):
        plan.ball((0, 0, z), radius, kit.skin(i))
    plan.turned((0, 0, 0.38), 0.02, 0.15, 0.15, kit.skin(3))
    plan.turned((0, 0, 0.4), 0.12, 0.09, 0.1, kit.skin(3))
    plan.turned((0, 0, 0.19), 0.04, 0.12, 0.13, m.stripes_small(kit.colours[4], dice))
    for side in (-1, 1):
        plan.ball((side * 0.045, -0.11, 0.33), 0.016, m.paint(f.DARK, dice))
        plan.box((side * 0.24, 0, 0.12), (0.2, 0.025, 0.025), m.timber((0.4, 0.28, 0.2), dice), side * 0.3)
        plan.ball((side * 0.34, side * side * 0.03, 0.12), 0.045, kit.skin(4))
    for z in (0.02, 0.1):
        plan.ball((0, -0.17, z), 0.02, m.paint(f.DARK, dice))


def _truck(plan: Scene, dice: Dice, kit: Kit) -> None:
    plan.box((0, 0, -0.13), (0.8, 0.3, 0.06), m.paint(f.DARK, dice))
    plan.box((0.28, 0, 0.02), (0.22, 0.3, 0.26), kit.skin(0))
    plan.box((0.36, 0, -0.04), (0.12, 0.28, 0.14), kit.skin(0))
    plan.box((0.395, 0, 0.09), (0.01, 0.24, 0.1), m.paint((0.72, 0.84, 0.90), dice))
    for side in (-1, 1):
        plan.box((0.3, side * 0.152, 0.08), (0.13, 0.01, 0.1), m.view(dice.integer(m.VIEWS), 0.13, 0.1))
        plan.box((-0.12, side * 0.165, 0.06), (0.4, 0.01, 0.24), m.picture(dice.integer(m.PICTURES), 0.4, 0.24))
        for x in (-0.26, -0.02, 0.28):
            for k in range(3):
                plan.ball(
                    (x, side * (0.15 + 0.01 * k), -0.18),
                    0.085 - 0.025 * k,
                    m.stone((0.2, 0.2, 0.21) if k < 2 else f.BRASS, dice),
                )
    plan.box((-0.12, 0, 0.07), (0.52, 0.32, 0.32), kit.skin(1))
    for i in range(3):
        plan.box((-0.28 + 0.17 * i, 0, 0.28), (0.14, 0.16, 0.1), kit.skin(2 + i), 0.2 * i)


OBJECTS = (_robot, _house, _rocket, _chair, _snowman, _truck)


def plan_turntable(dice: Dice) -> Scene:
    """Scene one object, lit from three sides."""
    plan = Scene(ambient=(0.52, 0.52, 0.54), light_spacing=0.12)
    dice.pick(OBJECTS)(plan, dice, Kit(dice))
    angle = dice.uniform(0, 2 * math.pi)
    plan.moved(0, (0, 0, 0), angle)
    for turn, height, power in ((0.0, 2.2, 3.0), (2.2, 1.2, 1.3), (4.2, -1.5, 0.8)):
        x, y = 1.9 * math.cos(angle + turn), 1.9 * math.sin(angle + turn)
        plan.lights.append(Light((x, y, height), (0.3, 0, 0), (0, 0.3, 0.1), (power, power * 0.97, power * 0.92)))
    return plan
