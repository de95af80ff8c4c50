"""Settings of the `procedural` dataset."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evalkit.config.options import ComponentOptions

WorldName = Literal["rooms", "orbits", "turntable"]
Split = Literal["train", "val", "test"]
Motion = Literal["path", "pan"]
Version = Literal[1, 2]


class ProceduralOptions(ComponentOptions):
    """Which worlds are shown, how many, and how long their sequences are."""

    name: Literal["procedural"] = "procedural"
    world: Annotated[
        WorldName,
        Field(
            description="What is shown: rooms (furnished interiors), orbits (things on a table in a room) or turntable "
            "(one object before white)."
        ),
    ] = "rooms"
    split: Annotated[Split, Field(description="Part of the data: train, val or test. Splits share no world.")] = "test"
    count: Annotated[
        int, Field(ge=1, le=9999, description="Number of sequences. A larger number keeps the first ones unchanged.")
    ] = 64
    length: Annotated[int, Field(ge=1, description="Frames of each sequence.")] = 97
    motion: Annotated[
        Motion,
        Field(
            description="Camera motion: path (the camera moves through the world) or pan (it turns in place, at the "
            "middle of the path)."
        ),
    ] = "path"
    version: Annotated[
        Version,
        Field(
            description="Version of the camera paths: 2 (all directions, uneven speed) or 1 (glides, arcs and turns at "
            "constant speed). Scenes are the same."
        ),
    ] = 2
    seed: Annotated[int, Field(description="Random seed of the worlds.")] = 0
