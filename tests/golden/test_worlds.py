"""The procedural worlds of each version stay what they are: their cameras to 1e-6, their frames to one grey level.

A change that breaks this is a new version of the worlds. `python -m tests.golden.test_worlds` writes the files of a new
one; those of an old one are never written again.
"""

from __future__ import annotations

import hashlib
import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import Motion, ProceduralOptions, Split, Version, WorldName
from evalkit.data.procedural.rng import Rng
from evalkit.data.procedural.scenes.worlds import plan_sequence
from evalkit.pixels import Preprocess, Profile

FOLDER = Path(__file__).parent / "worlds"
WORLDS: tuple[WorldName, ...] = ("rooms", "orbits", "turntable")
VERSIONS: tuple[Version, ...] = (1, 2)
SEQUENCES: tuple[tuple[Split, int], ...] = (("test", 0), ("test", 1), ("val", 2), ("train", 3))
MOTIONS: tuple[Motion, ...] = ("path", "pan")


def cameras_digest(world: WorldName, version: Version) -> str:
    """SHA-256 of the cameras of some sequences and all motions, in millionths."""
    total = hashlib.sha256()
    for (split, index), motion in product(SEQUENCES, MOTIONS):
        plan = plan_sequence(world, Rng(world, split, 0, index), 97, motion, version)
        total.update(np.rint(plan.w2c * 1e6).astype("<i8").tobytes())
        total.update(f"{plan.fov_deg:.6f}".encode())
    return total.hexdigest()


def grey_levels(world: WorldName, version: Version) -> Tensor:
    """Frames 5 and 60 of the first sequences of two splits and one that only turns, side by side, uint8 [H, W, 3]."""
    columns = []
    for split, motion in (("test", "path"), ("train", "path"), ("test", "pan")):
        options = ProceduralOptions.model_validate(
            {"world": world, "split": split, "motion": motion, "version": version, "count": 1}
        )
        data = ProceduralDataset(options, "cpu")
        columns.append(data.frames(data.sequences()[0].name, [5, 60], Preprocess(32, Profile.PIXELSPLAT)).images)
    pixels = torch.cat([torch.cat(list(images), dim=1) for images in columns], dim=2)
    return (pixels.permute(1, 2, 0) * 255).round().to(torch.uint8)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("world", WORLDS)
def test_cameras_stay_what_they_are(world: WorldName, version: Version) -> None:
    frozen = json.loads((FOLDER / "cameras.json").read_text(encoding="utf-8"))
    assert cameras_digest(world, version) == frozen[f"{world}-{version}"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("world", WORLDS)
def test_frames_stay_what_they_are(world: WorldName, version: Version) -> None:
    with Image.open(FOLDER / f"{world}-{version}.png") as image:
        frozen = torch.from_numpy(np.array(image)).int()
    off = (grey_levels(world, version).int() - frozen).abs().amax(-1)
    assert (off > 1).float().mean() < 0.002  # a ray that grazes an edge may go either way on another machine


def _write(version: Version) -> None:
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / "cameras.json"
    frozen = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for world in WORLDS:
        frozen[f"{world}-{version}"] = cameras_digest(world, version)
        Image.fromarray(grey_levels(world, version).numpy()).save(FOLDER / f"{world}-{version}.png", optimize=True)
    file.write_text(json.dumps(frozen, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write(VERSIONS[-1])
