"""Windows of the real captures beside the checkout, as they are and changed by less than an eye sees.

A window is written ``scene:first:last:frames``; its frames are spread evenly from ``first`` to ``last``. Captures are
folders with `opencv_cameras.json`, whose cameras are the truth.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from evalkit.digests import digest_of

SCENES = Path(__file__).resolve().parents[3] / "shared" / "data" / "scenes"
SIDE = 256
PERTURBATIONS = ("none", "next frame", "one level", "resized", "jpeg 95")


@dataclass(frozen=True)
class Window:
    """Frames ``first`` to ``last`` of a capture, ``count`` of them."""

    scene: str
    first: int
    last: int
    count: int

    def frames(self, shift: int = 0) -> list[int]:
        """Numbers of the frames, all of them later by ``shift``."""
        return [int(i) + shift for i in np.linspace(self.first, self.last, self.count).round()]

    def __str__(self) -> str:
        return f"{self.scene}:{self.first}:{self.last}:{self.count}"


def windows(scene: str, segments: list[tuple[int, int]], frames: int, span: int, count: int) -> list[Window]:
    """``count`` windows of ``frames`` frames over ``span`` + 1, spread evenly over the segments [start, end)."""
    starts = [start for first, end in segments for start in range(first, end - span - 1)]
    chosen = np.unique(np.linspace(0, len(starts) - 1, count).round().astype(int)) if starts else []
    return [Window(scene, starts[i], starts[i] + span, frames) for i in chosen]


def perturbed_clip(window: Window, perturbation: str) -> tuple[Tensor, Tensor]:
    """Images [V, 3, 256, 256] in [0, 1] at 8 bits, and the stored w2c [V, 4, 4]."""
    numbers = window.frames(1 if perturbation == "next frame" else 0)
    rng = np.random.default_rng(int(digest_of([str(window), perturbation])[:8], 16))
    images = np.stack([perturbed(square(window.scene, i), perturbation, rng) for i in numbers])
    w2c = torch.tensor([cameras(window.scene)[i]["w2c"] for i in numbers], dtype=torch.float64)
    return torch.from_numpy(images).permute(0, 3, 1, 2) / 255, w2c


def perturbed(image: Image.Image, perturbation: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The pixels [H, W, 3] of an image, changed by about one grey level."""
    if perturbation == "one level":
        noise = rng.integers(-1, 2, (image.height, image.width, 3))
        return np.clip(np.asarray(image, np.int64) + noise, 0, 255).astype(np.uint8)
    if perturbation == "resized":  # 0.9 levels
        large = image.resize((2 * image.width, 2 * image.height), Image.Resampling.BICUBIC)
        image = large.resize(image.size, Image.Resampling.LANCZOS)
    if perturbation == "jpeg 95":
        file = io.BytesIO()
        image.save(file, "JPEG", quality=95)
        image = Image.open(file).convert("RGB")
    return np.asarray(image)


@cache
def cameras(scene: str) -> list[dict[str, Any]]:
    """The stored frames of a capture."""
    frames: list[dict[str, Any]] = json.loads((SCENES / scene / "opencv_cameras.json").read_text())["frames"]
    return frames


@lru_cache(maxsize=600)
def square(scene: str, number: int) -> Image.Image:
    """A frame, its short side at 256 pixels, the centre of it."""
    image = Image.open(SCENES / scene / cameras(scene)[number]["file_path"]).convert("RGB")
    scale = SIDE / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
    return image.crop((left, top, left + SIDE, top + SIDE))
