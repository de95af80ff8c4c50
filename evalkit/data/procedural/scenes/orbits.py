"""The world `orbits`: things on a table in the middle of a furnished room."""

from __future__ import annotations

import math
from collections.abc import Callable

from evalkit.data.procedural.primitives import Colour, Scene
from evalkit.data.procedural.rng import Rng
from evalkit.data.procedural.scenes import furniture
from evalkit.data.procedural.scenes.palettes import BRIGHT_COLOURS, PALETTES
from evalkit.data.procedural.scenes.rooms import make_room
from evalkit.data.procedural.textures import materials

TABLE_HEIGHT = 0.72


def _teapot(scene: Scene, rng: Rng, colour: Colour) -> None:
    glaze = materials.stone(colour, rng)
    scene.add_revolution((0, 0, 0), 0.17, 0.06, 0.05, glaze, bulge=0.055)
    scene.add_revolution((0, 0, 0.17), 0.02, 0.052, 0.03, materials.paint(colour, rng))
    scene.add_ball((0, 0, 0.205), 0.018, materials.paint(furniture.BRASS, rng))
    for i in range(3):
        scene.add_ball((0.115 + 0.024 * i, 0, 0.07 + 0.032 * i), 0.026 - 0.004 * i, glaze)
    for x, z, size in (
        (-0.13, 0.13, (0.07, 0.02, 0.018)),
        (-0.16, 0.095, (0.018, 0.02, 0.08)),
        (-0.13, 0.055, (0.07, 0.02, 0.018)),
    ):
        scene.add_box((x, 0, z), size, materials.paint(furniture.DARK, rng))


def _stack_of_books(scene: Scene, rng: Rng, colour: Colour) -> None:
    z = 0.0
    for _ in range(4 + rng.integer(3)):
        size = (rng.uniform(0.2, 0.28), rng.uniform(0.14, 0.19), rng.uniform(0.018, 0.045))
        yaw = rng.uniform(-0.35, 0.35)
        scene.add_box((0, 0, z + size[2] / 2), size, materials.cloth(rng.choice(BRIGHT_COLOURS), rng), yaw)
        scene.add_box(
            (0.004, 0.004, z + size[2] / 2),
            (size[0], size[1] + 0.002, size[2] * 0.7),
            materials.paint((0.93, 0.90, 0.82), rng),
            yaw,
        )
        z += size[2]
    if rng.chance(0.7):
        scene.add_ball((0.02, 0, z + 0.05), 0.05, materials.stone(colour, rng))


def _vase(scene: Scene, rng: Rng, colour: Colour) -> None:
    scene.add_revolution((0, 0, 0), 0.2, 0.045, 0.032, materials.stone(colour, rng), bulge=0.045)
    for i in range(5):
        angle = 2.4 * i
        reach, z = 0.045 + 0.01 * i, 0.27 + 0.028 * ((i * 2) % 5)
        scene.add_revolution(
            (reach * math.cos(angle) * 0.5, reach * math.sin(angle) * 0.5, 0.18),
            z - 0.18,
            0.004,
            0.004,
            materials.paint(furniture.LEAF, rng),
        )
        scene.add_ball(
            (reach * math.cos(angle), reach * math.sin(angle), z),
            0.042,
            materials.leaves(rng.choice((furniture.LEAF, *BRIGHT_COLOURS[:3])), rng),
            0.8,
        )


def _toy_house(scene: Scene, rng: Rng, colour: Colour) -> None:
    scene.add_box((0, 0, 0.09), (0.2, 0.15, 0.18), materials.bricks_small(colour, rng))
    for i in range(5):
        scene.add_box(
            (0, 0, 0.19 + 0.02 * i),
            (0.22 - 0.01 * i, 0.18 - 0.036 * i, 0.021),
            materials.planks_small((0.60, 0.30, 0.24), rng),
        )
    scene.add_box((0.05, 0.03, 0.28), (0.03, 0.03, 0.09), materials.bricks_small((0.66, 0.40, 0.32), rng))
    for side in (-1, 1):
        scene.add_box((0.05 * side, side * 0.076, 0.1), (0.045, 0.006, 0.05), materials.paint((0.72, 0.84, 0.90), rng))
        scene.add_box((-0.05 * side, side * 0.076, 0.05), (0.045, 0.006, 0.1), materials.timber((0.42, 0.30, 0.2), rng))


def _fruit_bowl(scene: Scene, rng: Rng, colour: Colour) -> None:
    scene.add_revolution((0, 0, 0), 0.015, 0.05, 0.045, materials.stone(colour, rng))
    scene.add_revolution((0, 0, 0.015), 0.07, 0.07, 0.16, materials.stone(colour, rng), bulge=0.02)
    for i in range(6):
        angle, reach = 1.05 * i, 0.075 if i else 0.0
        fruit = rng.choice(((0.82, 0.32, 0.22), (0.90, 0.66, 0.24), (0.62, 0.70, 0.28), (0.55, 0.24, 0.26)))
        scene.add_ball(
            (reach * math.cos(angle), reach * math.sin(angle), 0.1 + 0.03 * (i == 0)),
            rng.uniform(0.036, 0.046),
            materials.stone(fruit, rng),
        )


def _blocks(scene: Scene, rng: Rng, colour: Colour) -> None:
    for x, z in ((-0.07, 0.0), (0.0, 0.0), (0.07, 0.0), (-0.035, 0.065), (0.035, 0.065), (0.0, 0.13)):
        size = (0.062, 0.062, 0.062)
        scene.add_box(
            (x, 0, z + 0.031),
            size,
            materials.picture(rng.integer(materials.PICTURES), 0.062, 0.062),
            rng.uniform(-0.3, 0.3),
        )


def _radio(scene: Scene, rng: Rng, colour: Colour) -> None:
    scene.add_box((0, 0, 0.08), (0.3, 0.12, 0.15), materials.timber((0.5, 0.34, 0.22), rng))
    scene.add_box((0, 0, 0.08), (0.27, 0.126, 0.12), materials.stripes(colour, rng))
    for x in (-0.1, 0.1):
        scene.add_ball((x, -0.065, 0.05), 0.02, materials.paint(furniture.BRASS, rng))
        scene.add_ball((x, 0.065, 0.05), 0.02, materials.paint(furniture.BRASS, rng))
    scene.add_box((0, 0, 0.16), (0.12, 0.03, 0.015), materials.paint(furniture.DARK, rng))


THINGS: tuple[Callable[[Scene, Rng, Colour], None], ...] = (
    _teapot, _stack_of_books, _vase, _toy_house, _fruit_bowl, _blocks, _radio,
)  # fmt: skip


def make_tabletop(rng: Rng) -> Scene:
    """Make a room with a table in its middle and four or five things on it."""
    scene = make_room(rng.fork("room"))
    palette, table_rng = rng.choice(PALETTES), rng.fork("table")
    top = table_rng.choice((materials.planks, materials.timber))(materials.varied(palette.wood, table_rng), table_rng)
    yaw = table_rng.uniform(0, math.pi)
    first = len(scene.solids)
    furniture.table(scene, table_rng.uniform(0.85, 1.0), table_rng.uniform(0.7, 0.8), TABLE_HEIGHT, top, y=0.0)
    scene.add_box(
        (0, 0, TABLE_HEIGHT + 0.002),
        (0.42, 0.42, 0.004),
        materials.rug(table_rng.integer(4), 0.42, 0.42),
        yaw=table_rng.uniform(0, 1),
    )
    scene.move(first, (0, 0, 0), yaw)
    things, colours = table_rng.shuffled(THINGS), table_rng.shuffled(BRIGHT_COLOURS)
    positions = ((0.0, 0.0), (0.27, 0.18), (-0.27, 0.2), (0.26, -0.2), (-0.26, -0.18))
    for i, (x, y) in enumerate(positions[: 4 + table_rng.integer(2)]):
        first = len(scene.solids)
        things[i](scene, table_rng.fork(f"thing{i}"), colours[i])
        scene.move(first, (x, y, TABLE_HEIGHT + 0.004), table_rng.uniform(0, 2 * math.pi))
    return scene
