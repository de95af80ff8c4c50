"""Rendered clips that training draws from, kept on disk so that each world is ray-cast once."""

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

FRAMES, LENGTH, SIDE = 8, 97, 256
STEPS = (3, 8)  # frame numbers between neighbours, both inclusive; tps asks for 4.5 to 6 between its targets
WORLDS: tuple[Literal["rooms", "orbits", "turntable"], ...] = (
    "rooms", "rooms", "orbits", "rooms", "rooms", "turntable", "rooms", "rooms",
)  # fmt: skip


@dataclass(frozen=True)
class PoolClip:
    """One clip: images [V, 3, H, W] in [0, 1], depth [V, H, W], w2c [V, 4, 4] and intrinsics [V, 3, 3] float64."""

    images: Tensor
    depth: Tensor
    w2c: Tensor
    intrinsics: Tensor


class TrainingClips:
    """Clips of the training worlds by number, rendered when first asked for and kept in ``folder``."""

    def __init__(self, folder: Path, split: Literal["train", "val", "test"] = "train") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.split = folder, split

    def __getitem__(self, number: int) -> PoolClip:
        """Return a clip; its depth has been rounded to half precision."""
        file = self.folder / f"{self.split}-{number:05d}.npz"
        if not file.exists():
            self._write(file, number)
        with np.load(file) as kept:
            return PoolClip(
                torch.from_numpy(kept["images"]).float() / 255,
                torch.from_numpy(kept["depth"]).float(),
                torch.from_numpy(kept["w2c"]),
                torch.from_numpy(kept["intrinsics"]),
            )

    def _write(self, file: Path, number: int) -> None:
        world = WORLDS[number % len(WORLDS)]
        rng = generator("procedural oracle", self.split, number)
        step = int(rng.integers(*STEPS, endpoint=True))
        first = int(rng.integers(0, LENGTH - (FRAMES - 1) * step))
        options = ProceduralOptions(world=world, split=self.split, count=9999, length=LENGTH)
        frames = ProceduralDataset(options, "cpu").frames(
            f"{world}-{self.split}-{number:04d}",
            range(first, first + FRAMES * step, step),
            Preprocess(SIDE, Profile.PIXELSPLAT),
        )
        assert frames.cameras is not None and frames.depth is not None and frames.cameras.intrinsics is not None
        whole = file.with_suffix(f".{os.getpid()}")
        with whole.open("wb") as out:
            np.savez(
                out,
                images=(frames.images * 255).round().to(torch.uint8).numpy(),
                depth=frames.depth.half().numpy(),
                w2c=frames.cameras.w2c.numpy(),
                intrinsics=frames.cameras.intrinsics.numpy(),
            )
        whole.replace(file)
