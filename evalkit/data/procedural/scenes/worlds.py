"""Sequences by the name of their world: scene, camera path and field of view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.data.procedural.options import Motion, Version, WorldName
from evalkit.data.procedural.primitives import Scene
from evalkit.data.procedural.rng import Rng
from evalkit.data.procedural.scenes.orbits import TABLE_HEIGHT, make_tabletop
from evalkit.data.procedural.scenes.paths import arc_path, handheld_path, pan_path, turntable_path
from evalkit.data.procedural.scenes.rooms import make_room
from evalkit.data.procedural.scenes.turntable import make_object
from evalkit.data.procedural.scenes.varied_paths import circling_path, roaming_path, turning_path

Array = NDArray[np.float64]
TURNTABLE_FOV_DEG = 40.0


@dataclass(frozen=True)
class SequencePlan:
    """One sequence before it is rendered: its scene, its cameras w2c [length, 4, 4] and its field of view."""

    scene: Scene
    w2c: Array
    fov_deg: float


def plan_sequence(
    world: WorldName, rng: Rng, length: int, motion: Motion = "path", version: Version = 2
) -> SequencePlan:
    """Plan the sequence of ``length`` frames that the words of ``rng`` determine.

    Scenes and fields of view are the same in all versions; camera paths differ.
    """
    scene, path_rng = _MAKERS[world](rng.fork("scene")), rng.fork("path")
    fov_deg = TURNTABLE_FOV_DEG if world == "turntable" else rng.fork("lens").uniform(54, 64)  # the word is a seed
    w2c = _path(world, scene, path_rng, length, version)
    if motion == "pan":
        w2c = pan_path(rng.fork("pan"), length, w2c[length // 2])
    return SequencePlan(scene, w2c, fov_deg)


def _path(world: WorldName, scene: Scene, rng: Rng, length: int, version: Version) -> Array:
    if world == "rooms":
        assert scene.room is not None
        return (handheld_path if version == 1 else roaming_path)(rng, length, scene.room.centre[2])
    if world == "orbits":
        return (arc_path if version == 1 else circling_path)(rng, length, np.array([0.0, 0.0, TABLE_HEIGHT + 0.08]))
    return (turntable_path if version == 1 else turning_path)(rng, length)


_MAKERS = {"rooms": make_room, "orbits": make_tabletop, "turntable": make_object}
