"""The texture atlas: all textures in one image, shared by all worlds and drawn once per process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from evalkit.data.procedural.textures.drawing import DRAW, Array

TEXTURE_SIZE = 512  # texels along a side
MIP_LEVELS = 8  # of each texture, every level half as large as the one before
REGION = {"size_x": 0, "left": 1, "size_y": 2, "top": 3}  # rows of `TextureAtlas.regions`
TEXTURES_PER_ROW = 4


@dataclass(frozen=True)
class TextureAtlas:
    """All mipmap levels of all textures in one image.

    Attributes:
        image: linear RGB [1, 3, H, W].
        regions: where each level of each texture lies, [4, textures * MIP_LEVELS], rows named by `REGION`.
            size * u + left takes u in [0, 1) to grid_sample's [-1, 1] across the atlas. A margin of one texel repeats
            the opposite side, since textures are periodic.
    """

    image: Tensor
    regions: Tensor


def _halve(level: Array) -> Array:
    """Average 2 x 2 texels of textures [P, S, S, 3]."""
    halved: Array = (level[:, ::2, ::2] + level[:, 1::2, ::2] + level[:, ::2, 1::2] + level[:, 1::2, 1::2]) / 4
    return halved


def _lay_out(textures: Array) -> tuple[Array, Array]:
    """Compute all mipmap levels of textures [P, S, S, 3] and lay them out in one image.

    The finest level fills the left part. The others lie beside it, one above the other.

    Returns:
        The image [H, W, 3], and x, y and size in texels of each level, [P, MIP_LEVELS, 3].
    """
    rows = -(-len(textures) // TEXTURES_PER_ROW)
    height = rows * (TEXTURE_SIZE + 2 * MIP_LEVELS)
    width = TEXTURES_PER_ROW * (TEXTURE_SIZE + 2 + TEXTURE_SIZE // 2 + 2)
    image = np.zeros((height, width, 3), dtype=np.float64)
    corners = np.zeros((len(textures), MIP_LEVELS, 3))
    left, top, level = 0, 0, textures
    for k in range(MIP_LEVELS):
        cell = level.shape[1] + 2
        padded = np.pad(level, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="wrap")
        for i, texture in enumerate(padded):
            x, y = left + i % TEXTURES_PER_ROW * cell, top + i // TEXTURES_PER_ROW * cell
            image[y : y + cell, x : x + cell] = texture
            corners[i, k] = x + 1, y + 1, cell - 2
        left, top = TEXTURES_PER_ROW * (TEXTURE_SIZE + 2), 0 if k == 0 else top + rows * cell
        level = _halve(level)
    return image, corners


@lru_cache(maxsize=4)
def texture_atlas(device: str) -> TextureAtlas:
    """Draw all textures and keep them on ``device``."""
    image, corners = _lay_out(np.stack([np.clip(draw(TEXTURE_SIZE), 0, 1) for draw in DRAW.values()]))
    height, width = image.shape[:2]
    x, y, size = np.moveaxis(corners, -1, 0)
    regions = np.stack([2 * size / width, 2 * x / width - 1, 2 * size / height, 2 * y / height - 1]).reshape(4, -1)
    return TextureAtlas(
        torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32))[None].to(device),
        torch.from_numpy(regions.astype(np.float32)).to(device),
    )
