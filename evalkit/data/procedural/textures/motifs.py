"""Painted motifs: pictures in frames, rugs, rows of books, what is seen through a window. Display values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evalkit.data.procedural.rng import Dice

Array = NDArray[np.float64]
Paint = tuple[float, float, float]
ALL = slice(None)

POSTER_PAINTS: tuple[tuple[Paint, ...], ...] = (
    ((0.93, 0.88, 0.78), (0.80, 0.33, 0.22), (0.16, 0.26, 0.36), (0.90, 0.68, 0.30), (0.38, 0.52, 0.50)),
    ((0.95, 0.93, 0.90), (0.12, 0.14, 0.17), (0.72, 0.16, 0.18), (0.55, 0.58, 0.60), (0.85, 0.75, 0.60)),
    ((0.88, 0.92, 0.92), (0.10, 0.34, 0.48), (0.30, 0.60, 0.62), (0.95, 0.78, 0.45), (0.85, 0.42, 0.35)),
    ((0.90, 0.86, 0.80), (0.28, 0.36, 0.24), (0.56, 0.62, 0.40), (0.75, 0.52, 0.32), (0.36, 0.22, 0.18)),
    ((0.96, 0.90, 0.86), (0.86, 0.52, 0.50), (0.44, 0.30, 0.44), (0.68, 0.70, 0.82), (0.98, 0.80, 0.55)),
)
SKIES: tuple[tuple[Paint, Paint], ...] = (
    ((0.50, 0.70, 0.95), (0.88, 0.94, 1.00)),
    ((0.62, 0.76, 0.92), (0.98, 0.95, 0.90)),
    ((0.72, 0.78, 0.86), (0.93, 0.94, 0.95)),
)


class Easel:
    """A square canvas [size, size, 3] with x, y in [0, 1], y down, and soft-edged shapes."""

    def __init__(self, size: int, ground: Paint) -> None:
        self.size = size
        self.x = (np.arange(size) + 0.5) / size
        self.y = self.x[:, None]
        self.pixels: Array = np.ones((size, size, 3)) * np.array(ground)

    def _span(self, middle: float, half: float) -> slice:
        """Texels within ``half`` of ``middle``, and a few more."""
        return slice(max(int((middle - half) * self.size) - 1, 0), max(int((middle + half) * self.size) + 2, 0))

    def cover(self, inside: Array, paint: Paint | Array, rows: slice = ALL, columns: slice = ALL) -> None:
        """Paint where the signed distance ``inside`` (in widths of the canvas) is positive."""
        share = np.clip(inside * self.size + 0.5, 0, 1)[..., None]
        part = self.pixels[rows, columns]
        part += share * (np.asarray(paint) - part)

    def box(self, x: float, y: float, width: float, height: float, paint: Paint) -> None:
        """Paint a rectangle about (x, y)."""
        rows, columns = self._span(y, height / 2), self._span(x, width / 2)
        inside = np.minimum(width / 2 - np.abs(self.x[columns] - x), height / 2 - np.abs(self.y[rows] - y))
        self.cover(inside, paint, rows, columns)

    def disc(self, x: float, y: float, radius: float, paint: Paint, squash: float = 1.0) -> None:
        """Paint a disc, or an ellipse whose height is ``squash`` times its width."""
        rows, columns = self._span(y, radius * squash), self._span(x, radius)
        self.cover(radius - np.hypot(self.x[columns] - x, (self.y[rows] - y) / squash), paint, rows, columns)

    def below(self, heights: Array, paint: Paint | Array) -> None:
        """Paint below a curve given by its y for each column."""
        self.cover(self.y - heights, paint)

    def mottle(self, dice: Dice, amount: float) -> None:
        """Brush strokes: coarse and fine noise over all."""
        for cells in (self.size // 12, self.size // 5, self.size // 2):
            noise = dice.array(cells, cells) - 0.5
            index = np.arange(self.size) * cells // self.size
            self.pixels += amount * noise[index][:, index][..., None]


def shade_of(paint: Paint, factor: float) -> Paint:
    """A lighter or darker paint."""
    return (paint[0] * factor, paint[1] * factor, paint[2] * factor)


def _ridge(dice: Dice, easel: Easel, base: float, height: float) -> Array:
    """A skyline: a few waves of random phase."""
    waves = [
        np.sin((easel.x * 2 * k + dice.uniform(0, 2)) * np.pi + dice.uniform(0, 1) * easel.x) / k for k in (1, 2, 4, 7)
    ]
    ridge: Array = base + height * np.sum(waves, axis=0) / 2
    return ridge


def _landscape(dice: Dice, easel: Easel, paints: tuple[Paint, ...]) -> None:
    easel.below(np.zeros_like(easel.x), paints[0] - 0.25 * (1 - easel.y[..., None]) * np.array([0.9, 0.5, 0.1]))
    easel.disc(dice.uniform(0.25, 0.75), dice.uniform(0.22, 0.4), dice.uniform(0.05, 0.1), paints[3])
    for depth in range(4):
        paint = shade_of(paints[1 + depth % 4], 1.15 - 0.18 * depth)
        easel.below(_ridge(dice, easel, 0.45 + 0.13 * depth, 0.09), paint)
    for _ in range(9):
        x, y, size = dice.uniform(0.1, 0.9), dice.uniform(0.6, 0.85), dice.uniform(0.02, 0.06)
        easel.box(x, y, size / 4, size * 3, shade_of(paints[1], 0.5))
        easel.disc(x, y - size * 1.5, size, shade_of(paints[4], dice.uniform(0.5, 1.0)), 1.4)


def _discs(dice: Dice, easel: Easel, paints: tuple[Paint, ...]) -> None:
    for _ in range(22):
        x, y, radius = dice.uniform(0.1, 0.9), dice.uniform(0.1, 0.9), dice.uniform(0.02, 0.16)
        easel.disc(x, y, radius, dice.pick(paints[1:]))
        easel.disc(x, y, radius * dice.uniform(0.3, 0.8), dice.pick(paints))


def _blocks(dice: Dice, easel: Easel, paints: tuple[Paint, ...]) -> None:
    for _ in range(30):
        easel.box(
            dice.uniform(0.1, 0.9), dice.uniform(0.1, 0.9), dice.uniform(0.03, 0.3), dice.uniform(0.03, 0.3),
            shade_of(dice.pick(paints), dice.uniform(0.7, 1.1)),
        )  # fmt: skip


def _waves(dice: Dice, easel: Easel, paints: tuple[Paint, ...]) -> None:
    for i in range(11):
        easel.below(_ridge(dice, easel, 0.08 + 0.085 * i, dice.uniform(0.02, 0.09)), paints[(i * 2 + 1) % 5])
    for _ in range(6):
        easel.disc(dice.uniform(0.1, 0.9), dice.uniform(0.1, 0.9), dice.uniform(0.01, 0.05), paints[0])


def _bouquet(dice: Dice, easel: Easel, paints: tuple[Paint, ...]) -> None:
    easel.below(np.full_like(easel.x, dice.uniform(0.68, 0.78)), shade_of(paints[4], 0.8))
    easel.disc(0.5, 0.72, 0.13, paints[1], 1.3)
    easel.box(0.5, 0.6, 0.12, 0.14, shade_of(paints[1], 0.8))
    for _ in range(26):
        x, y = 0.5 + dice.uniform(-0.28, 0.28), 0.35 + dice.uniform(-0.2, 0.18)
        radius = dice.uniform(0.02, 0.065)
        easel.disc(x, y, radius, shade_of(dice.pick(paints[1:]), dice.uniform(0.7, 1.15)), dice.uniform(0.6, 1.2))
        easel.disc(x, y, radius * 0.35, paints[0])


def _city(dice: Dice, easel: Easel, paints: tuple[Paint, ...]) -> None:
    for row in range(3):
        for i in range(9):
            x, height = (i + dice.uniform(0, 1)) / 9, dice.uniform(0.2, 0.7) - 0.12 * row
            width, paint = dice.uniform(0.06, 0.13), shade_of(dice.pick(paints[1:]), 0.65 + 0.2 * row)
            easel.box(x, 1 - height / 2, width, height, paint)
            for k in range(int(height * 14)):
                easel.box(x + dice.uniform(-0.3, 0.3) * width, 0.97 - k / 14, 0.016, 0.02, paints[0])


STYLES: tuple[Callable[[Dice, Easel, tuple[Paint, ...]], None], ...] = (
    _landscape, _discs, _blocks, _waves, _bouquet, _city,
)  # fmt: skip
FRAMES: tuple[Paint, ...] = ((0.14, 0.12, 0.11), (0.52, 0.36, 0.22), (0.94, 0.93, 0.90), (0.72, 0.58, 0.32))


def picture(dice: Dice, size: int) -> Array:
    """A painting in a mat and a frame."""
    paints = dice.pick(POSTER_PAINTS)
    easel = Easel(size, paints[0])
    dice.pick(STYLES)(dice, easel, paints)
    easel.mottle(dice, 0.09)
    frame, mat = dice.uniform(0.03, 0.05), dice.uniform(0.0, 0.1)
    edge = np.minimum(np.minimum(easel.x, 1 - easel.x), np.minimum(easel.y, 1 - easel.y))
    easel.cover(frame + mat - edge, (0.93, 0.92, 0.89))
    easel.cover(frame - edge, dice.pick(FRAMES))
    easel.cover(0.008 - np.abs(edge - frame), (0.25, 0.22, 0.2))
    return easel.pixels


RUG_PAINTS: tuple[tuple[Paint, ...], ...] = (
    ((0.52, 0.16, 0.15), (0.16, 0.18, 0.30), (0.85, 0.74, 0.55), (0.72, 0.44, 0.26), (0.30, 0.12, 0.12)),
    ((0.24, 0.33, 0.43), (0.85, 0.80, 0.70), (0.62, 0.30, 0.24), (0.45, 0.55, 0.60), (0.14, 0.18, 0.26)),
    ((0.78, 0.72, 0.62), (0.42, 0.36, 0.32), (0.60, 0.48, 0.36), (0.90, 0.87, 0.80), (0.30, 0.34, 0.32)),
    ((0.40, 0.46, 0.36), (0.82, 0.78, 0.62), (0.66, 0.40, 0.28), (0.24, 0.28, 0.24), (0.75, 0.62, 0.40)),
)


def rug(dice: Dice, size: int) -> Array:
    """A carpet: borders, a medallion, scattered flowers, worn pile."""
    paints = dice.pick(RUG_PAINTS)
    easel = Easel(size, paints[0])
    for _ in range(60):
        x, y, radius = dice.uniform(0.12, 0.88), dice.uniform(0.12, 0.88), dice.uniform(0.012, 0.035)
        easel.disc(x, y, radius, dice.pick(paints[1:]), dice.uniform(0.7, 1.4))
        easel.disc(x, y, radius * 0.45, dice.pick(paints))
    lean = np.abs(easel.x - 0.5) + np.abs(easel.y - 0.5) * dice.uniform(0.6, 1.0)
    for i, reach in enumerate((0.3, 0.25, 0.2, 0.12, 0.06)):
        easel.cover(reach - lean + 0.012 * np.sin(easel.x * 60) * np.sin(easel.y * 60), paints[(i + 1) % 5])
    edge = np.minimum(np.minimum(easel.x, 1 - easel.x), np.minimum(easel.y, 1 - easel.y))
    for reach, paint in ((0.11, paints[4]), (0.095, paints[2]), (0.08, paints[1]), (0.02, paints[4])):
        easel.cover(reach - edge, paint)
    for k in range(44):
        at = (k % 11 + 0.5) / 11
        x, y = ((at, 0.05), (at, 0.95), (0.05, at), (0.95, at))[k // 11]
        easel.disc(x, y, 0.02, paints[dice.integer(4)])
    easel.mottle(dice, 0.12)
    return easel.pixels


def window_view(dice: Dice, size: int) -> Array:
    """Sky, clouds, hills, houses and trees, bright."""
    top, low = dice.pick(SKIES)
    easel = Easel(size, low)
    easel.below(np.zeros_like(easel.x), np.array(top) + (np.array(low) - np.array(top)) * easel.y[..., None] * 1.4)
    for _ in range(14):
        easel.disc(dice.uniform(0, 1), dice.uniform(0.02, 0.4), dice.uniform(0.04, 0.13), (0.98, 0.98, 0.98), 0.35)
    easel.below(_ridge(dice, easel, 0.56, 0.07), (0.62, 0.72, 0.74))
    easel.below(_ridge(dice, easel, 0.66, 0.05), (0.55, 0.66, 0.45))
    for i in range(6):
        x, y, width = (i + dice.uniform(0.2, 0.8)) / 6, dice.uniform(0.68, 0.78), dice.uniform(0.1, 0.16)
        wall = shade_of((0.95, 0.88, 0.78), dice.uniform(0.75, 1.0))
        easel.cover(np.minimum(easel.y - y + 0.16 - np.abs(easel.x - x) * 0.8, y - easel.y - 0.05), (0.62, 0.32, 0.26))
        easel.box(x, y, width, 0.14, wall)
        for k in range(4):
            easel.box(x + (k % 2 - 0.5) * width * 0.5, y + (k // 2 - 0.5) * 0.07, 0.02, 0.03, (0.3, 0.36, 0.42))
    for _ in range(26):
        x, y, radius = dice.uniform(0, 1), dice.uniform(0.74, 0.98), dice.uniform(0.03, 0.08)
        easel.disc(x, y, radius, shade_of((0.38, 0.54, 0.28), dice.uniform(0.7, 1.25)), dice.uniform(0.8, 1.3))
    easel.mottle(dice, 0.06)
    return easel.pixels


def book_row(dice: Dice, height: int, width: int) -> Array:
    """Spines of uneven height and width before a dark back, with bands and titles; [height, width, 3]."""
    row: Array = np.ones((height, width, 3)) * np.array([0.16, 0.13, 0.11])
    left = 0
    while left < width:
        right = min(left + 12 + dice.integer(16), width)
        top = int(height * dice.uniform(0.04, 0.3))
        paint = np.array(shade_of(dice.pick(dice.pick(POSTER_PAINTS + RUG_PAINTS)), dice.uniform(0.7, 1.0)))
        profile = 1 - 0.35 * np.abs(np.linspace(-1, 1, right - left)) ** 3
        row[top:, left:right] = paint * profile[:, None]
        for _ in range(1 + dice.integer(3)):
            y = top + int((height - top) * dice.uniform(0.08, 0.9))
            row[y : y + 2 + dice.integer(4), left:right] = np.array(dice.pick(POSTER_PAINTS)[dice.integer(5)])
        title = top + int((height - top) * dice.uniform(0.25, 0.4))
        middle, run = (left + right) // 2, int((height - top) * dice.uniform(0.2, 0.4))
        marks = dice.array(run, 4)
        ink = 0.42 if paint.mean() > 0.6 else 0.92
        row[title : title + run, middle - 2 : middle + 2][marks[: height - title] > 0.4] = ink
        row[top:, right - 1] = 0.1
        left = right
    return row
