"""The `procedural` dataset: sequences of worlds that a name and a seed determine."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from evalkit.card import Need
from evalkit.config.options import ComponentOptions
from evalkit.data.dataset import SequenceInfo
from evalkit.data.procedural.raycast.cull import Lens
from evalkit.data.procedural.raycast.lightmap import bake
from evalkit.data.procedural.raycast.render import render
from evalkit.data.procedural.rng import Dice
from evalkit.data.procedural.scenes.orbits import TABLE_HEIGHT, plan_orbit
from evalkit.data.procedural.scenes.paths import glide, orbit, pan, revolution
from evalkit.data.procedural.scenes.rooms import plan_room
from evalkit.data.procedural.scenes.solids import Scene, Tables
from evalkit.data.procedural.scenes.turntable import plan_turntable
from evalkit.data.procedural.textures.atlas import pages
from evalkit.errors import SampleError, UserError, did_you_mean
from evalkit.pixels import Preprocess
from evalkit.views import Cameras, Frames

WORLDS_KEPT = 128  # worlds of recent sequences, a quarter of a megabyte each, so that no method bakes them again
TURNTABLE_FOV_DEG = 40.0


class ProceduralOptions(ComponentOptions):
    """Which worlds, how many and how long; `config/dataset/procedural.yaml` says what each is for."""

    name: Literal["procedural"]
    world: Literal["rooms", "orbits", "turntable"]
    split: Literal["train", "val", "test"]
    count: int = Field(ge=1, le=9999)
    length: int = Field(ge=1)
    motion: Literal["path", "pan"]
    seed: int
    profile: str


@dataclass(frozen=True)
class World:
    """One sequence: its scene, its cameras w2c [length, 4, 4] float64, and its field of view."""

    tables: Tables
    w2c: Tensor
    fov_deg: float


def plan_world(world: str, dice: Dice, length: int, motion: str = "path") -> tuple[Scene, NDArray[np.float64], float]:
    """Scene the scene, the path [length, 4, 4] and the field of view of one sequence."""
    plan, path, fov = _planned(world, dice, length)
    return plan, path if motion == "path" else pan(dice.fork("pan"), length, path[length // 2]), fov


def _planned(world: str, dice: Dice, length: int) -> tuple[Scene, NDArray[np.float64], float]:
    scene, path = dice.fork("scene"), dice.fork("path")
    fov = dice.fork("lens").uniform(54, 64)
    if world == "rooms":
        plan = plan_room(scene)
        assert plan.room is not None
        return plan, glide(path, length, plan.room.centre[2]), fov
    if world == "orbits":
        return plan_orbit(scene), orbit(path, length, np.array([0.0, 0.0, TABLE_HEIGHT + 0.08])), fov
    return plan_turntable(scene), revolution(path, length), TURNTABLE_FOV_DEG


class Procedural:
    """Ray-cast worlds with exact cameras, depth and intrinsics; a `Dataset` and a `KnownWorld`."""

    Options = ProceduralOptions
    provides = frozenset(Need)

    def __init__(self, options: ProceduralOptions, device: str) -> None:
        self.options, self.device = options, device
        self._world = lru_cache(WORLDS_KEPT)(self._make)

    def sequences(self) -> list[SequenceInfo]:
        """All sequences; each is a scene of its own."""
        o = self.options
        names = [f"{o.world}-{o.split}-{i:04d}" for i in range(o.count)]
        return [SequenceInfo(name, name, ((0, o.length),)) for name in names]

    def frames(self, sequence: str, numbers: Sequence[int], preprocess: Preprocess) -> Frames:
        """Render frames; they are born square, so that the profile of ``preprocess`` has nothing to do."""
        world = self._world(sequence)
        wrong = [n for n in numbers if not 0 <= n < self.options.length]
        if wrong:
            raise SampleError(f"{sequence}: frame {wrong[0]} is outside of 0..{self.options.length - 1}")
        return self._render(world, world.w2c[list(numbers)], tuple(numbers), preprocess.resolution)

    def view(self, sequence: str, w2c: Tensor, resolution: int) -> Frames:
        """Ray-cast a sequence's scene from ``w2c`` [V, 4, 4] through the sequence's own lens, square."""
        world = self._world(sequence)
        return self._render(world, w2c.double().cpu(), tuple(range(len(w2c))), resolution)

    def digest(self) -> str:
        """SHA-256 over the options and the source of this package."""
        total = hashlib.sha256(self.options.model_dump_json().encode())
        here = Path(__file__).parent
        for file in sorted(here.rglob("*.py")):
            total.update(file.relative_to(here).as_posix().encode())
            total.update(file.read_bytes())
        return total.hexdigest()

    def _make(self, sequence: str) -> World:
        known = [info.name for info in self.sequences()]
        if sequence not in known:
            raise UserError(f"no sequence '{sequence}'{did_you_mean(sequence, known)}")
        index = int(sequence.rsplit("-", 1)[1])
        o = self.options
        plan, path, fov = plan_world(o.world, Dice(o.world, o.split, o.seed, index), o.length, o.motion)
        return World(bake(plan).to(self.device), torch.from_numpy(path), fov)

    def _render(self, world: World, w2c: Tensor, numbers: tuple[int, ...], resolution: int) -> Frames:
        focal = resolution / 2 / math.tan(math.radians(world.fov_deg) / 2)
        intrinsics = torch.eye(3, dtype=torch.float64).repeat(len(w2c), 1, 1)
        intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = focal
        intrinsics[:, :2, 2] = resolution / 2
        w2c, intrinsics = w2c.to(self.device), intrinsics.to(self.device)
        images, depth = render(world.tables, pages(self.device), Lens.of(w2c, intrinsics, resolution))
        return Frames(images, numbers, Cameras(w2c, intrinsics), depth)
