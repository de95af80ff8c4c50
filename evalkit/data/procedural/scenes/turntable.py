"""The world `turntable`: one object before white, inside a ball of radius 0.55 about the origin."""

from __future__ import annotations

import math
from collections.abc import Callable

from evalkit.data.procedural.primitives import Colour, Light, Material, Scene
from evalkit.data.procedural.rng import Rng
from evalkit.data.procedural.scenes import furniture
from evalkit.data.procedural.scenes.palettes import BRIGHT_COLOURS
from evalkit.data.procedural.textures import materials

MATERIALS: tuple[Callable[[Colour, Rng], Material], ...] = (
    materials.stone,
    materials.timber,
    materials.bricks_small,
    materials.cloth,
    materials.stripes_small,
)


class PartMaterials:
    """Materials of one object: each part has its own material and colour."""

    def __init__(self, rng: Rng) -> None:
        self.rng, self.colours = rng, rng.shuffled(BRIGHT_COLOURS)

    def material(self, i: int) -> Material:
        """Material of part ``i``."""
        rng = self.rng.fork(f"skin{i}")
        return rng.choice(MATERIALS)(materials.varied(self.colours[i % len(self.colours)], rng), rng)


def _robot(scene: Scene, rng: Rng, parts: PartMaterials) -> None:
    scene.add_box((0, 0, 0.02), (0.34, 0.22, 0.36), parts.material(0))
    scene.add_box((0, -0.112, 0.06), (0.2, 0.01, 0.18), materials.picture(rng.integer(materials.PICTURES), 0.2, 0.18))
    scene.add_box((0, 0.112, 0.04), (0.16, 0.01, 0.2), materials.picture(rng.integer(materials.PICTURES), 0.16, 0.2))
    scene.add_revolution((0, 0, 0.2), 0.05, 0.05, 0.05, materials.paint(furniture.DARK, rng))
    scene.add_box((0, 0, 0.33), (0.24, 0.2, 0.18), parts.material(1))
    for side in (-1, 1):
        scene.add_ball((side * 0.055, -0.1, 0.35), 0.032, materials.paint((0.95, 0.93, 0.85), rng))
        scene.add_ball((side * 0.055, -0.125, 0.35), 0.014, materials.paint(furniture.DARK, rng))
        scene.add_revolution((side * 0.22, 0, -0.1), 0.26, 0.035, 0.045, parts.material(2))
        scene.add_ball((side * 0.22, 0, -0.12), 0.055, parts.material(3))
        scene.add_revolution((side * 0.09, 0, -0.42), 0.27, 0.06, 0.05, parts.material(2))
        scene.add_box((side * 0.09, -0.03, -0.44), (0.13, 0.2, 0.06), parts.material(3))
    scene.add_revolution((0, 0, 0.42), 0.06, 0.008, 0.008, materials.paint(furniture.DARK, rng))
    scene.add_ball((0, 0, 0.49), 0.025, parts.material(4))


def _house(scene: Scene, rng: Rng, parts: PartMaterials) -> None:
    scene.add_box((0, 0, -0.37), (0.74, 0.66, 0.03), materials.leaves(furniture.LEAF, rng))
    width, depth = rng.uniform(0.42, 0.5), rng.uniform(0.34, 0.4)
    scene.add_box(
        (0, 0, -0.14), (width, depth, 0.44), materials.bricks_small(materials.varied(parts.colours[0], rng), rng)
    )
    roof = materials.planks_small((0.56, 0.28, 0.22), rng)
    for i in range(12):
        scene.add_box((0, 0, 0.09 + 0.022 * i), (width + 0.08, (depth + 0.08) * (1 - i / 12), 0.024), roof)
    scene.add_box((width * 0.3, 0.06, 0.3), (0.07, 0.07, 0.2), materials.bricks_small((0.62, 0.36, 0.28), rng))
    for side in (-1, 1):
        for x in (-0.14, 0.14):
            scene.add_box(
                (x, side * depth / 2, -0.06),
                (0.09, 0.02, 0.12),
                materials.view(rng.integer(materials.VIEWS), 0.09, 0.12),
            )
            scene.add_box((x, side * depth / 2, -0.13), (0.12, 0.05, 0.02), materials.paint((0.94, 0.92, 0.88), rng))
        scene.add_box(
            (side * width / 2, 0, -0.06), (0.02, 0.1, 0.12), materials.view(rng.integer(materials.VIEWS), 0.1, 0.12)
        )
    scene.add_box((0, -depth / 2, -0.25), (0.1, 0.03, 0.22), materials.timber((0.4, 0.28, 0.2), rng))
    for x, y in ((0.29, -0.24), (-0.28, -0.22), (0.3, 0.24)):
        scene.add_revolution((x, y, -0.355), 0.14, 0.02, 0.014, materials.timber((0.36, 0.26, 0.18), rng))
        scene.add_ball(
            (x, y, -0.16),
            rng.uniform(0.07, 0.09),
            materials.leaves(materials.varied(furniture.LEAF, rng, 0.15), rng),
            1.2,
        )


def _rocket(scene: Scene, rng: Rng, parts: PartMaterials) -> None:
    scene.add_revolution((0, 0, -0.34), 0.5, 0.12, 0.12, parts.material(0), bulge=0.05)
    scene.add_revolution((0, 0, 0.16), 0.1, 0.125, 0.1, parts.material(1))
    scene.add_revolution((0, 0, 0.26), 0.24, 0.1, 0.005, parts.material(2))
    scene.add_revolution((0, 0, -0.42), 0.09, 0.15, 0.1, materials.paint(furniture.DARK, rng))
    for i in range(4):
        angle = math.pi / 4 + i * math.pi / 2
        x, y = math.cos(angle), math.sin(angle)
        scene.add_box((0.2 * x, 0.2 * y, -0.3), (0.18, 0.03, 0.22), parts.material(3), angle)
        scene.add_ball((0.28 * x, 0.28 * y, -0.42), 0.04, parts.material(4))
        scene.add_ball(
            (0.165 * math.sin(angle), -0.165 * math.cos(angle), 0.0), 0.045, materials.paint((0.72, 0.84, 0.90), rng)
        )


def _chair(scene: Scene, rng: Rng, parts: PartMaterials) -> None:
    furniture.chair(scene, materials.timber(materials.varied((0.58, 0.42, 0.28), rng), rng), parts.material(0))
    scene.add_box((0, 0.1, 0.56), (0.3, 0.1, 0.22), parts.material(1), yaw=0.15)
    scene.add_box((0.05, 0.3, 0.485), (0.2, 0.15, 0.04), materials.cloth(parts.colours[2], rng), yaw=0.4)
    scene.move(0, (0, -0.2, -0.45), 0.0)


def _snowman(scene: Scene, rng: Rng, parts: PartMaterials) -> None:
    for i, (z, radius) in enumerate(((-0.24, 0.23), (0.07, 0.17), (0.3, 0.12))):
        scene.add_ball((0, 0, z), radius, parts.material(i))
    scene.add_revolution((0, 0, 0.38), 0.02, 0.15, 0.15, parts.material(3))
    scene.add_revolution((0, 0, 0.4), 0.12, 0.09, 0.1, parts.material(3))
    scene.add_revolution((0, 0, 0.19), 0.04, 0.12, 0.13, materials.stripes_small(parts.colours[4], rng))
    for side in (-1, 1):
        scene.add_ball((side * 0.045, -0.11, 0.33), 0.016, materials.paint(furniture.DARK, rng))
        scene.add_box((side * 0.24, 0, 0.12), (0.2, 0.025, 0.025), materials.timber((0.4, 0.28, 0.2), rng), side * 0.3)
        scene.add_ball((side * 0.34, side * side * 0.03, 0.12), 0.045, parts.material(4))
    for z in (0.02, 0.1):
        scene.add_ball((0, -0.17, z), 0.02, materials.paint(furniture.DARK, rng))


def _truck(scene: Scene, rng: Rng, parts: PartMaterials) -> None:
    scene.add_box((0, 0, -0.13), (0.8, 0.3, 0.06), materials.paint(furniture.DARK, rng))
    scene.add_box((0.28, 0, 0.02), (0.22, 0.3, 0.26), parts.material(0))
    scene.add_box((0.36, 0, -0.04), (0.12, 0.28, 0.14), parts.material(0))
    scene.add_box((0.395, 0, 0.09), (0.01, 0.24, 0.1), materials.paint((0.72, 0.84, 0.90), rng))
    for side in (-1, 1):
        scene.add_box(
            (0.3, side * 0.152, 0.08), (0.13, 0.01, 0.1), materials.view(rng.integer(materials.VIEWS), 0.13, 0.1)
        )
        scene.add_box(
            (-0.12, side * 0.165, 0.06),
            (0.4, 0.01, 0.24),
            materials.picture(rng.integer(materials.PICTURES), 0.4, 0.24),
        )
        for x in (-0.26, -0.02, 0.28):
            for k in range(3):
                scene.add_ball(
                    (x, side * (0.15 + 0.01 * k), -0.18),
                    0.085 - 0.025 * k,
                    materials.stone((0.2, 0.2, 0.21) if k < 2 else furniture.BRASS, rng),
                )
    scene.add_box((-0.12, 0, 0.07), (0.52, 0.32, 0.32), parts.material(1))
    for i in range(3):
        scene.add_box((-0.28 + 0.17 * i, 0, 0.28), (0.14, 0.16, 0.1), parts.material(2 + i), 0.2 * i)


OBJECTS = (_robot, _house, _rocket, _chair, _snowman, _truck)


def make_object(rng: Rng) -> Scene:
    """Make one object with three lights around it."""
    scene = Scene(ambient=(0.52, 0.52, 0.54), light_spacing=0.12)
    rng.choice(OBJECTS)(scene, rng, PartMaterials(rng))
    yaw = rng.uniform(0, 2 * math.pi)
    scene.move(0, (0, 0, 0), yaw)
    for turn, height, power in ((0.0, 2.2, 3.0), (2.2, 1.2, 1.3), (4.2, -1.5, 0.8)):
        x, y = 1.9 * math.cos(yaw + turn), 1.9 * math.sin(yaw + turn)
        scene.lights.append(Light((x, y, height), (0.3, 0, 0), (0, 0.3, 0.1), (power, power * 0.97, power * 0.92)))
    return scene
