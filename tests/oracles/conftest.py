"""Clips of real and of procedural frames whose cameras are known, and one oracle for all tests."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import ProceduralOptions
from evalkit.oracles.sfm.colmap import ColmapOptions
from evalkit.oracles.sfm.estimator import ColmapEstimator
from evalkit.pixels import Preprocess, Profile

Clip = tuple[Tensor, Tensor]  # images [V, 3, 256, 256] and true w2c [V, 4, 4]


@pytest.fixture(scope="session")
def colmap_options() -> Callable[..., ColmapOptions]:
    """``colmap_options(workers=1)``: the defaults with changes."""
    return lambda **changes: ColmapOptions.model_validate({"workers": 2, **changes})


@pytest.fixture(scope="session")
def colmap(colmap_options: Callable[..., ColmapOptions]) -> Iterator[ColmapEstimator]:
    oracle = ColmapEstimator(colmap_options(), "cpu")
    yield oracle
    oracle.close()


@pytest.fixture(scope="session")
def capture(shared: Path) -> Callable[[str, int, int, int], Clip]:
    """``capture(scene, first, last, count)``: frames of a real capture, short side to 256, centre crop."""

    def read(scene: str, first: int, last: int, count: int) -> Clip:
        frames = json.loads((shared / "scenes" / scene / "opencv_cameras.json").read_text())["frames"]
        chosen = [frames[i] for i in np.linspace(first, last, count).round().astype(int)]
        images = [square(shared / "scenes" / scene / frame["file_path"]) for frame in chosen]
        return torch.stack(images), torch.tensor([frame["w2c"] for frame in chosen], dtype=torch.float64)

    return read


def square(path: Path, side: int = 256) -> Tensor:
    image = Image.open(path).convert("RGB")
    scale = side / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return torch.from_numpy(np.array(image.crop((left, top, left + side, top + side)))).permute(2, 0, 1) / 255


@pytest.fixture(scope="session")
def rooms() -> list[Clip]:
    """5 frames over a window of 24 in each of 4 procedural rooms, at 8 bits."""
    dataset = ProceduralDataset(ProceduralOptions(world="rooms"), "cpu")
    clips = []
    for info in dataset.sequences()[:4]:
        frames = dataset.frames(info.name, range(20, 45, 6), Preprocess(256, Profile.PIXELSPLAT))
        assert frames.cameras is not None
        clips.append((frames.images.mul(255).round() / 255, frames.cameras.w2c.double()))
    return clips


@pytest.fixture(scope="session")
def small(rooms: list[Clip]) -> Tensor:
    """Clips [2, 5, 3, 128, 128], which take a fraction of the time."""
    return torch.stack([(avg_pool2d(images, 2) * 255).round() / 255 for images, _ in rooms[:2]])


@pytest.fixture
def turned() -> Callable[[Tensor, float], Tensor]:
    """How a pan is made of one image, without any parallax."""

    def turned(image: Tensor, degrees: float) -> Tensor:
        """What a camera with a focal length of one width sees after a turn: the homography of a pure rotation."""
        size, angle = image.shape[-1], math.radians(degrees)
        grid = (torch.arange(size) + 0.5) / size - 0.5
        y, x = torch.meshgrid(grid, grid, indexing="ij")
        turn = torch.tensor([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
        rays = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ turn.T
        places = rays[..., :2] / rays[..., 2:] * 2 / 1.4
        return grid_sample(image[None], places[None], mode="bicubic", align_corners=False)[0].clamp(0, 1)

    return turned
