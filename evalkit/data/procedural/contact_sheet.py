"""Draw the contact sheets of docs/worlds.md: ``python -m evalkit.data.procedural.contact_sheet docs/images``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import torch
from PIL import Image
from torch import Tensor

from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import ProceduralOptions, WorldName
from evalkit.pixels import Preprocess, Profile

SCENES: dict[str, tuple[int, ...]] = {"rooms": (0, 5, 8, 13), "orbits": (1, 3, 6, 7), "turntable": (0, 1, 2, 3)}
NUMBERS: dict[str, tuple[int, ...]] = {
    "rooms": (0, 32, 64, 96), "orbits": (0, 32, 64, 96), "turntable": (0, 24, 48, 72),
}  # fmt: skip
SIDE, GAP, COLOURS = 176, 4, 256


def contact_sheet(world: WorldName) -> Tensor:
    """Draw four frames of each of four scenes, one row per scene: [3, H, W]."""
    options = ProceduralOptions(world=world, split="val", count=64)
    dataset, preprocess = ProceduralDataset(options, "cpu"), Preprocess(SIDE, Profile.PIXELSPLAT)
    step = SIDE + GAP
    sheet = torch.ones(3, 4 * step - GAP, 4 * step - GAP)
    for row, scene in enumerate(SCENES[world]):
        images = dataset.frames(f"{world}-val-{scene:04d}", NUMBERS[world], preprocess).images
        for column, image in enumerate(images):
            sheet[:, row * step : row * step + SIDE, column * step : column * step + SIDE] = image
    return sheet


def write_sheets(folder: Path) -> None:
    """Write ``world_<name>.png`` for every world. A palette of 256 colours keeps the files small."""
    folder.mkdir(parents=True, exist_ok=True)
    for world in get_args(WorldName):
        pixels = (contact_sheet(world).permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        Image.fromarray(pixels).quantize(COLOURS, kmeans=3).save(folder / f"world_{world}.png", optimize=True)


if __name__ == "__main__":
    write_sheets(Path(sys.argv[1]))
