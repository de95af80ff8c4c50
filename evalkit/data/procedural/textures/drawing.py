"""How the texture pages are drawn: value noise for grains, a few painted motifs for things with content."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evalkit.data.procedural.rng import Dice
from evalkit.data.procedural.textures.motifs import book_row, picture, rug, window_view

Array = NDArray[np.float64]


def value_noise(dice: Dice, rows: int, columns: int, size: int) -> Array:
    """Smooth periodic noise [size, size] in [0, 1] with ``rows`` x ``columns`` random values."""
    grid = dice.array(rows, columns)

    def along(values: Array, count: int) -> Array:
        place = (np.arange(size) + 0.5) * count / size
        low = np.floor(place).astype(int)
        part = (place - low)[:, None]
        part = part * part * (3 - 2 * part)
        mixed: Array = values[low % count] * (1 - part) + values[(low + 1) % count] * part
        return mixed

    return np.asarray(along(along(grid, rows).T, columns).T)


def fractal(dice: Dice, rows: int, columns: int, size: int, octaves: int, fall: float) -> Array:
    """Sum octaves of value noise, each ``fall`` times the one before, stretched to mean 0.5 and deviation 0.17."""
    total = sum(
        fall**k * (value_noise(dice, min(rows << k, size), min(columns << k, size), size) - 0.5) for k in range(octaves)
    )
    total = np.asarray(total) - np.mean(total)
    stretched: Array = np.clip(0.5 + 0.17 * total / total.std(), 0, 1)
    return stretched


def _grey(value: Array) -> Array:
    return np.repeat(value[..., None], 3, axis=-1)


def _tinted(value: Array, hue: Array, tint: tuple[float, float, float]) -> Array:
    """A grey page, shifted towards ``tint`` where ``hue`` is positive and away from it where it is negative."""
    page: Array = _grey(value) + hue[..., None] * np.array(tint)
    return page


def plaster(size: int) -> Array:
    """Trowelled plaster: strokes of a few centimetres, faint clouds, small pits."""
    dice = Dice("page", "plaster")
    base = fractal(dice, 40, 40, size, 4, 0.95) + 0.2 * (fractal(dice, 3, 3, size, 3, 0.6) - 0.5)
    pits = np.clip(value_noise(dice, size // 5, size // 5, size) - 0.82, 0, 1) * 2.0
    hue = fractal(dice, 8, 8, size, 5, 0.8) - 0.5
    return _tinted(base - pits + pits.mean(), hue, (0.1, 0.02, -0.12))


def wood(size: int) -> Array:
    """Grain along u: stretched noise, growth rings, dark pores."""
    dice = Dice("page", "wood")
    broad = fractal(dice, 12, 2, size, 5, 0.75)
    rings = np.abs(((broad * 9) % 1.0) - 0.5) * 2
    fine = fractal(dice, 64, 4, size, 4, 0.8)
    pores = np.clip(value_noise(dice, size // 2, size // 24, size) - 0.8, 0, 1) * 2.0
    value = 0.45 * broad + 0.2 * rings + 0.4 * fine - pores
    return _tinted(value - value.mean() + 0.5, broad - 0.5, (0.1, 0.0, -0.1))


def cloth(size: int) -> Array:
    """A weave of threads of uneven thickness under a mottle."""
    dice = Dice("page", "cloth")
    y, x = np.mgrid[0:size, 0:size]
    over = ((x // 4 + y // 4) % 2).astype(float)
    round_x, round_y = np.abs((x % 4) - 1.5) / 2, np.abs((y % 4) - 1.5) / 2
    weave = over * (1 - round_y) + (1 - over) * (1 - round_x)
    warp = dice.array(1, size // 4).repeat(4, axis=1) * over + dice.array(size // 4, 1).repeat(4, axis=0) * (1 - over)
    value = 0.3 * weave + 0.35 * warp + 0.55 * fractal(dice, 4, 4, size, 7, 0.8)
    return _grey(value - value.mean() + 0.5)


def stone(size: int) -> Array:
    """Terrazzo: chips of several sizes and tones in a fine ground."""
    dice = Dice("page", "stone")
    ground = fractal(dice, 16, 16, size, 6, 0.9)
    page = _grey(0.35 * ground + 0.33)
    for cells in (20, 44, 90):
        shape = value_noise(dice, cells, cells, size) + 0.15 * value_noise(dice, 4 * cells, 4 * cells, size)
        tone = value_noise(dice, cells // 2, cells // 2, size)[..., None] * 0.9
        warm = (value_noise(dice, cells // 2, cells // 2, size)[..., None] - 0.5) * np.array([0.3, 0.0, -0.3])
        chip = np.clip((shape - 0.78) * 12, 0, 1)[..., None]
        page = page * (1 - chip) + (tone + warm + 0.05) * chip
    return np.asarray(page - page.mean() + 0.5)


def foliage(size: int) -> Array:
    """Leaves: blobs of light over dark gaps."""
    dice = Dice("page", "foliage")
    leaves = [fractal(dice, n, n, size, 3, 0.5) for n in (24, 40)]
    value = np.maximum(leaves[0], leaves[1]) + 0.8 * (fractal(dice, 8, 8, size, 6, 0.9) - 0.5)
    value = np.clip((value - 0.42) * 1.6, 0, 1)
    return _tinted(value - value.mean() + 0.5, leaves[0] - 0.5, (0.3, 0.0, -0.2))


def _quarters(size: int, draw: Callable[[Dice, int], Array], name: str) -> Array:
    """Four motifs a page, two by two; painted in display values, kept linear."""
    half = size // 2
    four = [draw(Dice("page", name, i), half) for i in range(4)]
    page: Array = np.concatenate([np.concatenate(four[:2], axis=1), np.concatenate(four[2:], axis=1)])
    return np.clip(page, 0, 1) ** 2


def books(size: int) -> Array:
    """Four rows of book spines; a row is periodic."""
    page: Array = np.concatenate([book_row(Dice("page", "books", i), size // 4, size) for i in range(4)])
    return np.clip(page, 0, 1) ** 2


def _gallery(number: int) -> Callable[[int], Array]:
    return lambda size: _quarters(size, picture, f"pictures-{number}")


DRAWERS: dict[str, Callable[[int], Array]] = {
    "plaster": plaster,
    "wood": wood,
    "cloth": cloth,
    "stone": stone,
    "foliage": foliage,
    "books": books,
    "rugs": lambda size: _quarters(size, rug, "rugs"),
    "views": lambda size: _quarters(size, window_view, "views"),
    **{f"pictures-{i}": _gallery(i) for i in range(4)},
}
