"""Rendering of the `procedural` dataset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from evalkit.data.procedural.catalogue import Procedural
from evalkit.data.procedural.options import ProceduralOptions
from evalkit.data.procedural.raycast.cameras import PinholeCameras
from evalkit.data.procedural.raycast.lightmap import bake
from evalkit.data.procedural.raycast.render import render
from evalkit.data.procedural.raycast.tables import Tables
from evalkit.data.procedural.rng import Rng
from evalkit.data.procedural.scenes.worlds import plan_sequence
from evalkit.data.procedural.textures.atlas import texture_atlas
from evalkit.errors import SampleError, UserError, did_you_mean
from evalkit.pixels import Preprocess
from evalkit.views import Cameras, Frames

WORLDS_KEPT = 128  # recent worlds, 250 kB each, so that their light is not computed again for every method


@dataclass(frozen=True)
class World:
    """One sequence, ready to be rendered: its scene, its cameras w2c [length, 4, 4] float64, and its field of view."""

    tables: Tables
    w2c: Tensor
    fov_deg: float


class ProceduralDataset(Procedural):
    """Renders the sequences of `Procedural`; a `Dataset` and a `KnownWorld`."""

    def __init__(self, options: ProceduralOptions, device: str) -> None:
        super().__init__(options, device)
        self._world = lru_cache(WORLDS_KEPT)(self._make_world)

    def frames(self, sequence: str, numbers: Sequence[int], preprocess: Preprocess) -> Frames:
        """Render frames of a sequence.

        They are rendered at the resolution of ``preprocess`` and are square, so that its profile has no effect.

        Raises:
            UserError: for an unknown sequence.
            SampleError: for a frame number outside of the sequence.
        """
        world = self._world(sequence)
        outside = [number for number in numbers if not 0 <= number < self.options.length]
        if outside:
            raise SampleError(f"{sequence}: frame {outside[0]} is outside of 0..{self.options.length - 1}")
        return self._render(world, world.w2c[list(numbers)], tuple(numbers), preprocess.resolution)

    def view(self, sequence: str, w2c: Tensor, resolution: int) -> Frames:
        """Render the scene of a sequence from cameras w2c [V, 4, 4], with the intrinsics of the sequence."""
        world = self._world(sequence)
        return self._render(world, w2c.double().cpu(), tuple(range(len(w2c))), resolution)

    def _make_world(self, sequence: str) -> World:
        names = [info.name for info in self.sequences()]
        if sequence not in names:
            raise UserError(f"no sequence '{sequence}'{did_you_mean(sequence, names)}")
        options, index = self.options, int(sequence.rsplit("-", 1)[1])
        rng = Rng(options.world, options.split, options.seed, index)
        plan = plan_sequence(options.world, rng, options.length, options.motion, options.version)
        return World(bake(plan.scene).to(self.device), torch.from_numpy(plan.w2c), plan.fov_deg)

    def _render(self, world: World, w2c: Tensor, numbers: tuple[int, ...], resolution: int) -> Frames:
        w2c, intrinsics = w2c.to(self.device), _intrinsics(world.fov_deg, resolution, len(w2c)).to(self.device)
        cameras = PinholeCameras.of(w2c, intrinsics, resolution)
        images, depth = render(world.tables, texture_atlas(self.device), cameras)
        return Frames(images, numbers, Cameras(w2c, intrinsics), depth)


def _intrinsics(fov_deg: float, resolution: int, count: int) -> Tensor:
    """Intrinsics [count, 3, 3] float64 of square images with this field of view."""
    intrinsics = torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = resolution / 2 / math.tan(math.radians(fov_deg) / 2)
    intrinsics[:, :2, 2] = resolution / 2
    return intrinsics
