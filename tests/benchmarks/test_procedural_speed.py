"""How fast worlds are made: frames a second, together and one at a time, and the cost of a new world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import ProceduralOptions, WorldName
from evalkit.data.procedural.raycast.lightmap import bake
from evalkit.data.procedural.rng import Rng
from evalkit.data.procedural.scenes.worlds import plan_sequence
from evalkit.pixels import Preprocess, Profile

FULL = Preprocess(256, Profile.PIXELSPLAT)
NUMBERS = range(0, 96, 4)


def dataset(world: WorldName) -> ProceduralDataset:
    return ProceduralDataset(ProceduralOptions(world=world, count=4), "cpu")


def together(data: ProceduralDataset, name: str) -> None:
    data.frames(name, NUMBERS, FULL)


def one_at_a_time(data: ProceduralDataset, name: str) -> None:
    for number in NUMBERS:
        data.frames(name, [number], FULL)


@pytest.mark.parametrize("world", ["rooms", "orbits", "turntable"])
@pytest.mark.parametrize("how", [together, one_at_a_time])
def test_frames_a_second(benchmark: Any, world: WorldName, how: Callable[[ProceduralDataset, str], None]) -> None:
    data = dataset(world)
    name = data.sequences()[2].name
    benchmark.pedantic(how, (data, name), rounds=3, warmup_rounds=1)
    if benchmark.stats:
        benchmark.extra_info["frames a second"] = round(len(NUMBERS) / benchmark.stats.stats.min, 1)


@pytest.mark.parametrize("world", ["rooms", "orbits", "turntable"])
def test_a_new_world(benchmark: Any, world: WorldName) -> None:
    benchmark.pedantic(
        lambda: bake(plan_sequence(world, Rng(world, "test", 0, 0), 97).scene), rounds=3, warmup_rounds=1
    )
