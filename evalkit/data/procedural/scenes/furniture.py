"""Furniture made of boxes and surfaces of revolution.

Each piece stands at the origin. Its back is at y = 0 and its front faces +y.
"""

from __future__ import annotations

import math

from evalkit.data.procedural.primitives import Colour, Material, Scene
from evalkit.data.procedural.rng import Rng
from evalkit.data.procedural.textures import materials

BRASS: Colour = (0.72, 0.58, 0.34)
DARK: Colour = (0.16, 0.15, 0.15)
LEAF: Colour = (0.33, 0.47, 0.24)
GLAZES: tuple[Colour, ...] = (
    (0.80, 0.42, 0.30), (0.28, 0.45, 0.55), (0.88, 0.82, 0.70), (0.45, 0.52, 0.38), (0.72, 0.58, 0.26),
)  # fmt: skip


def legs(
    scene: Scene, width: float, depth: float, height: float, y: float, material: Material, radius: float = 0.022
) -> None:
    """Four round legs at the corners of a rectangle about (0, y)."""
    for side_x in (-1, 1):
        for side_y in (-1, 1):
            base = (side_x * width / 2, y + side_y * depth / 2, 0.0)
            scene.add_revolution(base, height, radius * 0.7, radius, material)


def table(scene: Scene, width: float, depth: float, height: float, material: Material, y: float | None = None) -> None:
    """A table on four legs."""
    y = depth / 2 if y is None else y
    scene.add_box((0, y, height - 0.02), (width, depth, 0.04), material)
    scene.add_box((0, y, height - 0.075), (width - 0.12, depth - 0.12, 0.07), material)
    legs(scene, width - 0.12, depth - 0.12, height - 0.04, y, material, 0.03)


def chair(scene: Scene, wood: Material, seat: Material) -> None:
    """A chair. Its slatted back is at y = 0."""
    scene.add_box((0, 0.22, 0.44), (0.42, 0.42, 0.05), seat)
    legs(scene, 0.36, 0.36, 0.42, 0.22, wood)
    for x in (-0.18, 0.18):
        scene.add_box((x, 0.03, 0.67), (0.035, 0.035, 0.46), wood)
    for z in (0.62, 0.74, 0.86):
        scene.add_box((0, 0.03, z), (0.35, 0.02, 0.06), wood)


def sofa(scene: Scene, width: float, fabric: Material, accent: list[Material]) -> None:
    """A sofa with cushions."""
    scene.add_box((0, 0.45, 0.22), (width, 0.86, 0.26), fabric)
    scene.add_box((0, 0.13, 0.52), (width, 0.22, 0.52), fabric)
    for side in (-1, 1):
        scene.add_box((side * (width / 2 - 0.09), 0.45, 0.38), (0.18, 0.86, 0.4), fabric)
        scene.add_box((side * (width / 4 - 0.05), 0.53, 0.4), (width / 2 - 0.2, 0.66, 0.13), fabric)
        scene.add_box((side * (width / 2 - 0.36), 0.3, 0.6), (0.38, 0.12, 0.3), accent[side], yaw=-side * 0.35)
    legs(scene, width - 0.15, 0.7, 0.1, 0.45, materials.paint(DARK, Rng("leg")))


def armchair(scene: Scene, fabric: Material, accent: Material, wood: Material) -> None:
    """A low armchair."""
    scene.add_box((0, 0.4, 0.31), (0.62, 0.66, 0.18), fabric)
    scene.add_box((0, 0.1, 0.58), (0.62, 0.16, 0.5), fabric)
    scene.add_box((0, 0.22, 0.52), (0.36, 0.1, 0.26), accent)
    for side in (-1, 1):
        scene.add_box((side * 0.35, 0.4, 0.52), (0.06, 0.66, 0.05), wood)
        scene.add_box((side * 0.35, 0.68, 0.25), (0.05, 0.05, 0.5), wood)
        scene.add_box((side * 0.35, 0.12, 0.25), (0.05, 0.05, 0.5), wood)


def bookcase(scene: Scene, width: float, height: float, wood: Material, rng: Rng) -> None:
    """Shelves with books and a few ornaments."""
    depth, boards = 0.3, 5
    scene.add_box((0, 0.01, height / 2), (width, 0.02, height), wood)
    for side in (-1, 1):
        scene.add_box((side * (width / 2 - 0.012), depth / 2, height / 2), (0.024, depth, height), wood)
    spacing = (height - 0.08) / boards
    for i in range(boards + 1):
        scene.add_box((0, depth / 2, 0.07 + i * spacing), (width - 0.04, depth, 0.024), wood)
    for i in range(boards):
        floor, free_height = 0.082 + i * spacing, spacing - 0.05
        filled = rng.uniform(0.55, 1.0) * (width - 0.06)
        books_side = rng.sign()
        material = materials.books(rng.integer(materials.BOOK_ROWS), free_height, rng.fork(f"row{i}"))
        scene.add_box(
            (books_side * (width - 0.06 - filled) / 2, 0.13, floor + free_height / 2),
            (filled, 0.2, free_height),
            material,
        )
        if width - filled > 0.3:
            ornament(scene, (-books_side * (filled / 2 + 0.02), 0.17, floor), 0.75, rng)


def ornament(scene: Scene, base: tuple[float, float, float], scale: float, rng: Rng) -> None:
    """A vase, bowl, box or ball on a surface, up to 0.3 m high at scale 1."""
    glaze = materials.stone(materials.varied(rng.choice(GLAZES), rng), rng)
    kind, (x, y, z) = rng.integer(4), base
    if kind == 0:
        scene.add_revolution(base, 0.24 * scale, 0.05 * scale, 0.03 * scale, glaze, bulge=0.045 * scale)
    elif kind == 1:
        scene.add_revolution(base, 0.1 * scale, 0.06 * scale, 0.13 * scale, glaze, bulge=0.015 * scale)
    elif kind == 2:
        scene.add_box(
            (x, y, z + 0.07 * scale), (0.2 * scale, 0.15 * scale, 0.14 * scale), glaze, yaw=rng.uniform(-0.5, 0.5)
        )
    else:
        scene.add_revolution(base, 0.04 * scale, 0.05 * scale, 0.04 * scale, materials.paint(BRASS, rng))
        scene.add_ball((x, y, z + 0.14 * scale), 0.1 * scale, glaze)


def cabinet(scene: Scene, width: float, height: float, depth: float, wood: Material, front: Material, rng: Rng) -> None:
    """A sideboard with doors, knobs and ornaments on top."""
    scene.add_box((0, depth / 2, height / 2 + 0.04), (width, depth, height - 0.08), wood)
    scene.add_box((0, depth / 2, height - 0.0125), (width + 0.04, depth + 0.03, 0.025), wood)
    legs(scene, width - 0.1, depth - 0.1, 0.08, depth / 2, wood)
    doors = max(round(width / 0.45), 2)
    for i in range(doors):
        x = (i + 0.5) / doors * width - width / 2
        scene.add_box((x, depth + 0.008, height / 2 + 0.03), (width / doors - 0.03, 0.016, height - 0.17), front)
        side = 1 if i % 2 == 0 else -1
        scene.add_ball(
            (x + side * (width / doors / 2 - 0.06), depth + 0.03, height / 2 + 0.1), 0.016, materials.paint(BRASS, rng)
        )
    for i in range(3):
        if rng.chance(0.75):
            ornament(scene, ((i - 1) * width * 0.32, depth / 2, height), rng.uniform(0.8, 1.4), rng.fork(f"top{i}"))


def floor_lamp(scene: Scene, rng: Rng, shade: Colour) -> None:
    """A standing lamp. Its shade is bright, but it lights nothing else."""
    scene.add_revolution((0, 0.22, 0), 0.03, 0.15, 0.13, materials.paint(DARK, rng))
    scene.add_revolution((0, 0.22, 0.03), 1.4, 0.012, 0.012, materials.paint(BRASS, rng))
    scene.add_revolution((0, 0.22, 1.38), 0.28, 0.22, 0.13, materials.lamp(shade, rng))


def plant(scene: Scene, rng: Rng, pot: Colour) -> None:
    """A tall plant in a pot."""
    scene.add_revolution((0, 0.3, 0), 0.34, 0.13, 0.19, materials.stone(pot, rng))
    scene.add_revolution((0, 0.3, 0.3), 0.6, 0.018, 0.012, materials.timber((0.36, 0.26, 0.18), rng))
    for i in range(4):
        angle, z = 2.4 * i, 0.72 + 0.17 * i
        reach = rng.uniform(0.06, 0.14)
        green = materials.leaves(materials.varied(LEAF, rng, 0.12), rng)
        centre = (reach * math.cos(angle), 0.3 + reach * math.sin(angle), z)
        scene.add_ball(centre, rng.uniform(0.15, 0.22), green, height_ratio=0.75)


def framed(scene: Scene, index: int, x: float, z: float, width: float, height: float) -> None:
    """A picture on the wall."""
    scene.add_box((x, 0.0125, z), (width, 0.025, height), materials.picture(index, width, height))


def door(scene: Scene, x: float, leaf: Material, trim: Material, rng: Rng) -> None:
    """A closed door with panels and a frame."""
    scene.add_box((x, 0.015, 1.02), (0.86, 0.03, 2.04), leaf)
    for side in (-1, 1):
        scene.add_box((x + side * 0.48, 0.025, 1.06), (0.1, 0.05, 2.12), trim)
        scene.add_box((x + side * 0.2, 0.035, 1.45), (0.27, 0.012, 0.85), leaf)
        scene.add_box((x + side * 0.2, 0.035, 0.5), (0.27, 0.012, 0.6), leaf)
    scene.add_box((x, 0.028, 2.17), (1.1, 0.056, 0.12), trim)
    scene.add_ball((x - 0.36, 0.07, 1.0), 0.03, materials.paint(BRASS, rng))


def window(
    scene: Scene, x: float, z: float, width: float, height: float, trim: Material, drape: Material, rng: Rng
) -> None:
    """A window with a view, cross bars, a sill and curtains."""
    scene.add_box((x, 0.01, z), (width, 0.02, height), materials.view(rng.integer(materials.VIEWS), width, height))
    for side in (-1, 1):
        scene.add_box((x + side * (width / 2 + 0.03), 0.03, z), (0.07, 0.06, height + 0.12), trim)
        scene.add_box((x, 0.03, z + side * (height / 2 + 0.03)), (width, 0.06, 0.07), trim)
        for fold in range(3):
            fold_x = x + side * (width / 2 + 0.12 + 0.1 * fold)
            scene.add_revolution((fold_x, 0.11, 0.06), z + height / 2 + 0.14, 0.055, 0.05, drape)
    scene.add_box((x, 0.03, z), (0.05, 0.05, height), trim)
    scene.add_box((x, 0.03, z + height * 0.18), (width, 0.045, 0.04), trim)
    scene.add_box((x, 0.09, z - height / 2 - 0.07), (width + 0.2, 0.18, 0.035), trim)
    rod_z = z + height / 2 + 0.22
    scene.add_box((x, 0.11, rod_z), (width + 0.95, 0.025, 0.025), materials.paint(DARK, rng))
