"""Rendered clips for training, kept on disk so that each world is ray-cast once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import ProceduralOptions
from evalkit.pixels import Preprocess, Profile
from evalkit.seeds import generator
from evalkit.views import Frames

FRAMES, LENGTH, SIDE = 8, 97, 256
STEPS = (3, 8)  # frame numbers between neighbours, both inclusive; pose transfers have 4.5 to 6 between targets
WORLDS: tuple[Literal["rooms", "orbits", "turntable"], ...] = (
    "rooms", "rooms", "orbits", "rooms", "rooms", "turntable", "rooms", "rooms",
)  # fmt: skip
Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class TrainingClip:
    """One clip: images [V, 3, H, W] in [0, 1], depth [V, H, W], w2c [V, 4, 4] and intrinsics [V, 3, 3] float64."""

    images: Tensor
    depth: Tensor
    w2c: Tensor
    intrinsics: Tensor


class TrainingClips:
    """Clips of the training worlds by number, rendered when first needed and kept in ``folder``."""

    def __init__(self, folder: Path, split: Split = "train") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.split = folder, split

    def __getitem__(self, number: int) -> TrainingClip:
        """Return a clip; its depth was rounded to half precision."""
        file = self.folder / f"{self.split}-{number:05d}.npz"
        if not file.exists():
            write_clip(file, rendered_clip(self.split, number))
        with np.load(file) as arrays:
            return TrainingClip(
                torch.from_numpy(arrays["images"]).float() / 255,
                torch.from_numpy(arrays["depth"]).float(),
                torch.from_numpy(arrays["w2c"]),
                torch.from_numpy(arrays["intrinsics"]),
            )


def rendered_clip(split: Split, number: int) -> Frames:
    """Ray-cast a clip: its world, window and step depend on ``split`` and ``number`` alone."""
    world = WORLDS[number % len(WORLDS)]
    rng = generator("procedural oracle", split, number)
    step = int(rng.integers(*STEPS, endpoint=True))
    first = int(rng.integers(0, LENGTH - (FRAMES - 1) * step))
    options = ProceduralOptions(world=world, split=split, count=9999, length=LENGTH, version=1)
    numbers = range(first, first + FRAMES * step, step)
    preprocess = Preprocess(SIDE, Profile.PIXELSPLAT)
    return ProceduralDataset(options, "cpu").frames(f"{world}-{split}-{number:04d}", numbers, preprocess)


def write_clip(file: Path, frames: Frames) -> None:
    """Write a clip: 8-bit images, depth in half precision."""
    assert frames.cameras is not None and frames.depth is not None and frames.cameras.intrinsics is not None
    temporary = file.with_suffix(f".{os.getpid()}")
    with temporary.open("wb") as out:
        np.savez(
            out,
            images=(frames.images * 255).round().to(torch.uint8).numpy(),
            depth=frames.depth.half().numpy(),
            w2c=frames.cameras.w2c.numpy(),
            intrinsics=frames.cameras.intrinsics.numpy(),
        )
    temporary.replace(file)
