"""How fast worlds are made: frames a second, together and one at a time, and the cost of a new world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evalkit.data.procedural.dataset import Procedural, ProceduralOptions, plan_world
from evalkit.data.procedural.raycast.lightmap import bake
from evalkit.data.procedural.rng import Dice
from evalkit.pixels import Preprocess, Profile

FULL = Preprocess(256, Profile.PIXELSPLAT)
NUMBERS = range(0, 96, 4)


def rooms(world: str = "rooms") -> Procedural:
    options = {"world": world, "split": "test", "count": 4, "length": 97, "motion": "path", "seed": 0}
    return Procedural(ProceduralOptions(name="procedural", profile="procedural", **options), "cpu")  # type: ignore[arg-type]


def together(data: Procedural, name: str) -> None:
    data.frames(name, NUMBERS, FULL)


def one_at_a_time(data: Procedural, name: str) -> None:
    for number in NUMBERS:
        data.frames(name, [number], FULL)


@pytest.mark.parametrize("world", ["rooms", "orbits", "turntable"])
@pytest.mark.parametrize("how", [together, one_at_a_time])
def test_frames_a_second(benchmark: Any, world: str, how: Callable[[Procedural, str], None]) -> None:
    data = rooms(world)
    name = data.sequences()[2].name
    benchmark.pedantic(how, (data, name), rounds=3, warmup_rounds=1)
    if benchmark.stats:
        benchmark.extra_info["frames a second"] = round(len(NUMBERS) / benchmark.stats.stats.min, 1)


@pytest.mark.parametrize("world", ["rooms", "orbits", "turntable"])
def test_a_new_world(benchmark: Any, world: str) -> None:
    benchmark.pedantic(lambda: bake(plan_world(world, Dice(world, "test", 0, 0), 97)[0]), rounds=3, warmup_rounds=1)
