"""The texture pages that all worlds share, drawn once a process: grains, cloths, books, rugs, pictures, views.

A page is 512 x 512 texels, periodic, kept as a pyramid. Values are linear; grains vary about the
middle grey, pictures are colours in their own right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from evalkit.data.procedural.scenes.solids import PAGE_LEVELS, PAGE_SIZE
from evalkit.data.procedural.textures.drawing import DRAWERS, Array

PAGE = {name: i for i, name in enumerate(DRAWERS)}
PLACES = {"side_x": 0, "left": 1, "side_y": 2, "top": 3}
ACROSS = 4  # pages side by side in the atlas


@dataclass(frozen=True)
class Pages:
    """All levels of all pages in one atlas [1, 3, H, W], and where they are: places [4, P * PAGE_LEVELS].

    A place takes (u, v) in [0, 1) to grid_sample's [-1, 1] across the atlas: side * u + left. Each level of a page has
    a margin of one texel, wrapped around, so that pages are periodic.
    """

    atlas: Tensor
    places: Tensor


def _halve(level: Array) -> Array:
    """Average 2 x 2 texels of pages [P, S, S, 3]."""
    halved: Array = (level[:, ::2, ::2] + level[:, 1::2, ::2] + level[:, ::2, 1::2] + level[:, 1::2, 1::2]) / 4
    return halved


def _pyramid(level: Array) -> tuple[Array, Array]:
    """Atlas [H, W, 3] and corners [P, PAGE_LEVELS, 3] (x, y, size in texels) of the pyramids of pages [P, S, S, 3].

    The finest level fills the left part, the others stand one above the other beside it.
    """
    rows = -(-len(level) // ACROSS)
    atlas = np.zeros(
        (rows * (PAGE_SIZE + 2 * PAGE_LEVELS), ACROSS * (PAGE_SIZE + 2 + PAGE_SIZE // 2 + 2), 3), dtype=np.float64
    )
    corners = np.zeros((len(level), PAGE_LEVELS, 3))
    left, top = 0, 0
    for k in range(PAGE_LEVELS):
        cell = level.shape[1] + 2
        wrapped = np.pad(level, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap")
        for i, page in enumerate(wrapped):
            x, y = left + i % ACROSS * cell, top + i // ACROSS * cell
            atlas[y : y + cell, x : x + cell] = page
            corners[i, k] = x + 1, y + 1, cell - 2
        left, top = ACROSS * (PAGE_SIZE + 2), 0 if k == 0 else top + rows * cell
        level = _halve(level)
    return atlas, corners


@lru_cache(maxsize=4)
def pages(device: str) -> Pages:
    """Draw all pages and keep them on ``device``."""
    atlas, corners = _pyramid(np.stack([np.clip(draw(PAGE_SIZE), 0, 1) for draw in DRAWERS.values()]))
    height, width = atlas.shape[:2]
    x, y, size = np.moveaxis(corners, -1, 0)
    places = np.stack([2 * size / width, 2 * x / width - 1, 2 * size / height, 2 * y / height - 1]).reshape(4, -1)
    return Pages(
        torch.from_numpy(np.ascontiguousarray(atlas.transpose(2, 0, 1), dtype=np.float32))[None].to(device),
        torch.from_numpy(places.astype(np.float32)).to(device),
    )
