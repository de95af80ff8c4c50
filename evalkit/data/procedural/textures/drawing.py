"""How the textures are drawn: noise for materials, painted motifs for pictures, rugs, books and views.

A texture is periodic. Its values are linear. Materials vary about middle grey; motifs have colours of their own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evalkit.data.procedural.rng import Rng
from evalkit.data.procedural.textures.motifs import book_row, picture, rug, window_view

Array = NDArray[np.float64]
# The words given to `Rng` are seeds: they stay as they are.


def value_noise(rng: Rng, rows: int, columns: int, size: int) -> Array:
    """Smooth periodic noise [size, size] in [0, 1], interpolated between ``rows`` x ``columns`` random values."""
    grid = rng.array(rows, columns)

    def upsample(values: Array, count: int) -> Array:
        position = (np.arange(size) + 0.5) * count / size
        low = np.floor(position).astype(int)
        weight = (position - low)[:, None]
        weight = weight * weight * (3 - 2 * weight)
        mixed: Array = values[low % count] * (1 - weight) + values[(low + 1) % count] * weight
        return mixed

    return np.asarray(upsample(upsample(grid, rows).T, columns).T)


def fractal_noise(rng: Rng, rows: int, columns: int, size: int, octaves: int, falloff: float) -> Array:
    """Sum of octaves of value noise, each ``falloff`` times the one before; mean 0.5, standard deviation 0.17."""
    total = sum(
        falloff**k * (value_noise(rng, min(rows << k, size), min(columns << k, size), size) - 0.5)
        for k in range(octaves)
    )
    total = np.asarray(total) - np.mean(total)
    stretched: Array = np.clip(0.5 + 0.17 * total / total.std(), 0, 1)
    return stretched


def _grey(value: Array) -> Array:
    return np.repeat(value[..., None], 3, axis=-1)


def _tinted(value: Array, hue: Array, tint: tuple[float, float, float]) -> Array:
    """A grey texture, shifted towards ``tint`` where ``hue`` is positive and away from it where it is negative."""
    texture: Array = _grey(value) + hue[..., None] * np.array(tint)
    return texture


def plaster(size: int) -> Array:
    """Plaster: strokes of a few centimetres, clouds, small pits."""
    rng = Rng("page", "plaster")
    base = fractal_noise(rng, 40, 40, size, 4, 0.95) + 0.2 * (fractal_noise(rng, 3, 3, size, 3, 0.6) - 0.5)
    pits = np.clip(value_noise(rng, size // 5, size // 5, size) - 0.82, 0, 1) * 2.0
    hue = fractal_noise(rng, 8, 8, size, 5, 0.8) - 0.5
    return _tinted(base - pits + pits.mean(), hue, (0.1, 0.02, -0.12))


def wood(size: int) -> Array:
    """Wood with its grain along u: stretched noise, growth rings, dark pores."""
    rng = Rng("page", "wood")
    broad = fractal_noise(rng, 12, 2, size, 5, 0.75)
    rings = np.abs(((broad * 9) % 1.0) - 0.5) * 2
    fine = fractal_noise(rng, 64, 4, size, 4, 0.8)
    pores = np.clip(value_noise(rng, size // 2, size // 24, size) - 0.8, 0, 1) * 2.0
    value = 0.45 * broad + 0.2 * rings + 0.4 * fine - pores
    return _tinted(value - value.mean() + 0.5, broad - 0.5, (0.1, 0.0, -0.1))


def cloth(size: int) -> Array:
    """Cloth: a weave of threads of different brightness, and noise."""
    rng = Rng("page", "cloth")
    y, x = np.mgrid[0:size, 0:size]
    is_over = ((x // 4 + y // 4) % 2).astype(float)
    round_x, round_y = np.abs((x % 4) - 1.5) / 2, np.abs((y % 4) - 1.5) / 2
    weave = is_over * (1 - round_y) + (1 - is_over) * (1 - round_x)
    columns, rows = rng.array(1, size // 4).repeat(4, axis=1), rng.array(size // 4, 1).repeat(4, axis=0)
    threads = columns * is_over + rows * (1 - is_over)
    value = 0.3 * weave + 0.35 * threads + 0.55 * fractal_noise(rng, 4, 4, size, 7, 0.8)
    return _grey(value - value.mean() + 0.5)


def stone(size: int) -> Array:
    """Terrazzo: chips of several sizes and tones on a fine background."""
    rng = Rng("page", "stone")
    background = fractal_noise(rng, 16, 16, size, 6, 0.9)
    texture = _grey(0.35 * background + 0.33)
    for cells in (20, 44, 90):
        shape = value_noise(rng, cells, cells, size) + 0.15 * value_noise(rng, 4 * cells, 4 * cells, size)
        tone = value_noise(rng, cells // 2, cells // 2, size)[..., None] * 0.9
        warm = (value_noise(rng, cells // 2, cells // 2, size)[..., None] - 0.5) * np.array([0.3, 0.0, -0.3])
        chip = np.clip((shape - 0.78) * 12, 0, 1)[..., None]
        texture = texture * (1 - chip) + (tone + warm + 0.05) * chip
    return np.asarray(texture - texture.mean() + 0.5)


def foliage(size: int) -> Array:
    """Leaves: bright spots over dark gaps."""
    rng = Rng("page", "foliage")
    leaves = [fractal_noise(rng, n, n, size, 3, 0.5) for n in (24, 40)]
    value = np.maximum(leaves[0], leaves[1]) + 0.8 * (fractal_noise(rng, 8, 8, size, 6, 0.9) - 0.5)
    value = np.clip((value - 0.42) * 1.6, 0, 1)
    return _tinted(value - value.mean() + 0.5, leaves[0] - 0.5, (0.3, 0.0, -0.2))


def _four_motifs(size: int, draw: Callable[[Rng, int], Array], name: str) -> Array:
    """Four motifs in one texture, two by two; drawn in display values, returned as linear ones."""
    motifs = [draw(Rng("page", name, i), size // 2) for i in range(4)]
    texture: Array = np.concatenate([np.concatenate(motifs[:2], axis=1), np.concatenate(motifs[2:], axis=1)])
    return np.clip(texture, 0, 1) ** 2


def books(size: int) -> Array:
    """Four rows of book spines; each row is periodic."""
    texture: Array = np.concatenate([book_row(Rng("page", "books", i), size // 4, size) for i in range(4)])
    return np.clip(texture, 0, 1) ** 2


def _pictures(number: int) -> Callable[[int], Array]:
    return lambda size: _four_motifs(size, picture, f"pictures-{number}")


DRAW: dict[str, Callable[[int], Array]] = {
    "plaster": plaster,
    "wood": wood,
    "cloth": cloth,
    "stone": stone,
    "foliage": foliage,
    "books": books,
    "rugs": lambda size: _four_motifs(size, rug, "rugs"),
    "views": lambda size: _four_motifs(size, window_view, "views"),
    **{f"pictures-{i}": _pictures(i) for i in range(4)},
}
TEXTURE_INDEX = {name: index for index, name in enumerate(DRAW)}
