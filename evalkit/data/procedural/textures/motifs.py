"""Painted motifs, in display values: framed pictures, rugs, rows of books, views through a window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evalkit.data.procedural.primitives import Colour
from evalkit.data.procedural.rng import Rng

Array = NDArray[np.float64]
ALL = slice(None)

POSTER_COLOURS: tuple[tuple[Colour, ...], ...] = (
    ((0.93, 0.88, 0.78), (0.80, 0.33, 0.22), (0.16, 0.26, 0.36), (0.90, 0.68, 0.30), (0.38, 0.52, 0.50)),
    ((0.95, 0.93, 0.90), (0.12, 0.14, 0.17), (0.72, 0.16, 0.18), (0.55, 0.58, 0.60), (0.85, 0.75, 0.60)),
    ((0.88, 0.92, 0.92), (0.10, 0.34, 0.48), (0.30, 0.60, 0.62), (0.95, 0.78, 0.45), (0.85, 0.42, 0.35)),
    ((0.90, 0.86, 0.80), (0.28, 0.36, 0.24), (0.56, 0.62, 0.40), (0.75, 0.52, 0.32), (0.36, 0.22, 0.18)),
    ((0.96, 0.90, 0.86), (0.86, 0.52, 0.50), (0.44, 0.30, 0.44), (0.68, 0.70, 0.82), (0.98, 0.80, 0.55)),
)
SKIES: tuple[tuple[Colour, Colour], ...] = (
    ((0.50, 0.70, 0.95), (0.88, 0.94, 1.00)),
    ((0.62, 0.76, 0.92), (0.98, 0.95, 0.90)),
    ((0.72, 0.78, 0.86), (0.93, 0.94, 0.95)),
)


class Canvas:
    """A square image [size, size, 3] to draw shapes with smooth edges on. x and y are in [0, 1], y points down."""

    def __init__(self, size: int, background: Colour) -> None:
        self.size = size
        self.x = (np.arange(size) + 0.5) / size
        self.y = self.x[:, None]
        self.pixels: Array = np.ones((size, size, 3)) * np.array(background)

    def _span(self, middle: float, half: float) -> slice:
        """Texels within ``half`` of ``middle``, with a small margin."""
        return slice(max(int((middle - half) * self.size) - 1, 0), max(int((middle + half) * self.size) + 2, 0))

    def cover(self, inside: Array, colour: Colour | Array, rows: slice = ALL, columns: slice = ALL) -> None:
        """Paint where the signed distance ``inside``, in widths of the canvas, is positive."""
        coverage = np.clip(inside * self.size + 0.5, 0, 1)[..., None]
        region = self.pixels[rows, columns]
        region += coverage * (np.asarray(colour) - region)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """Paint a rectangle about (x, y)."""
        rows, columns = self._span(y, height / 2), self._span(x, width / 2)
        inside = np.minimum(width / 2 - np.abs(self.x[columns] - x), height / 2 - np.abs(self.y[rows] - y))
        self.cover(inside, colour, rows, columns)

    def disc(self, x: float, y: float, radius: float, colour: Colour, height_ratio: float = 1.0) -> None:
        """Paint a disc, or an ellipse whose height is ``height_ratio`` times its width."""
        rows, columns = self._span(y, radius * height_ratio), self._span(x, radius)
        self.cover(radius - np.hypot(self.x[columns] - x, (self.y[rows] - y) / height_ratio), colour, rows, columns)

    def below(self, heights: Array, colour: Colour | Array) -> None:
        """Paint below a curve that is given by its y for each column."""
        self.cover(self.y - heights, colour)

    def add_noise(self, rng: Rng, amount: float) -> None:
        """Add coarse and fine noise to the whole canvas, like brush strokes."""
        for cells in (self.size // 12, self.size // 5, self.size // 2):
            noise = rng.array(cells, cells) - 0.5
            index = np.arange(self.size) * cells // self.size
            self.pixels += amount * noise[index][:, index][..., None]


def scaled(colour: Colour, factor: float) -> Colour:
    """Return a lighter or darker colour."""
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def _ridge(rng: Rng, canvas: Canvas, base: float, height: float) -> Array:
    """Height of a skyline by column: a sum of waves of random phase."""
    waves = [
        np.sin((canvas.x * 2 * k + rng.uniform(0, 2)) * np.pi + rng.uniform(0, 1) * canvas.x) / k for k in (1, 2, 4, 7)
    ]
    ridge: Array = base + height * np.sum(waves, axis=0) / 2
    return ridge


def _landscape(rng: Rng, canvas: Canvas, colours: tuple[Colour, ...]) -> None:
    canvas.below(np.zeros_like(canvas.x), colours[0] - 0.25 * (1 - canvas.y[..., None]) * np.array([0.9, 0.5, 0.1]))
    canvas.disc(rng.uniform(0.25, 0.75), rng.uniform(0.22, 0.4), rng.uniform(0.05, 0.1), colours[3])
    for depth in range(4):
        colour = scaled(colours[1 + depth % 4], 1.15 - 0.18 * depth)
        canvas.below(_ridge(rng, canvas, 0.45 + 0.13 * depth, 0.09), colour)
    for _ in range(9):
        x, y, size = rng.uniform(0.1, 0.9), rng.uniform(0.6, 0.85), rng.uniform(0.02, 0.06)
        canvas.box(x, y, size / 4, size * 3, scaled(colours[1], 0.5))
        canvas.disc(x, y - size * 1.5, size, scaled(colours[4], rng.uniform(0.5, 1.0)), 1.4)


def _discs(rng: Rng, canvas: Canvas, colours: tuple[Colour, ...]) -> None:
    for _ in range(22):
        x, y, radius = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), rng.uniform(0.02, 0.16)
        canvas.disc(x, y, radius, rng.choice(colours[1:]))
        canvas.disc(x, y, radius * rng.uniform(0.3, 0.8), rng.choice(colours))


def _blocks(rng: Rng, canvas: Canvas, colours: tuple[Colour, ...]) -> None:
    for _ in range(30):
        canvas.box(
            rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), rng.uniform(0.03, 0.3), rng.uniform(0.03, 0.3),
            scaled(rng.choice(colours), rng.uniform(0.7, 1.1)),
        )  # fmt: skip


def _waves(rng: Rng, canvas: Canvas, colours: tuple[Colour, ...]) -> None:
    for i in range(11):
        canvas.below(_ridge(rng, canvas, 0.08 + 0.085 * i, rng.uniform(0.02, 0.09)), colours[(i * 2 + 1) % 5])
    for _ in range(6):
        canvas.disc(rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), rng.uniform(0.01, 0.05), colours[0])


def _bouquet(rng: Rng, canvas: Canvas, colours: tuple[Colour, ...]) -> None:
    canvas.below(np.full_like(canvas.x, rng.uniform(0.68, 0.78)), scaled(colours[4], 0.8))
    canvas.disc(0.5, 0.72, 0.13, colours[1], 1.3)
    canvas.box(0.5, 0.6, 0.12, 0.14, scaled(colours[1], 0.8))
    for _ in range(26):
        x, y = 0.5 + rng.uniform(-0.28, 0.28), 0.35 + rng.uniform(-0.2, 0.18)
        radius = rng.uniform(0.02, 0.065)
        canvas.disc(x, y, radius, scaled(rng.choice(colours[1:]), rng.uniform(0.7, 1.15)), rng.uniform(0.6, 1.2))
        canvas.disc(x, y, radius * 0.35, colours[0])


def _city(rng: Rng, canvas: Canvas, colours: tuple[Colour, ...]) -> None:
    for row in range(3):
        for i in range(9):
            x, height = (i + rng.uniform(0, 1)) / 9, rng.uniform(0.2, 0.7) - 0.12 * row
            width, colour = rng.uniform(0.06, 0.13), scaled(rng.choice(colours[1:]), 0.65 + 0.2 * row)
            canvas.box(x, 1 - height / 2, width, height, colour)
            for k in range(int(height * 14)):
                canvas.box(x + rng.uniform(-0.3, 0.3) * width, 0.97 - k / 14, 0.016, 0.02, colours[0])


STYLES: tuple[Callable[[Rng, Canvas, tuple[Colour, ...]], None], ...] = (
    _landscape, _discs, _blocks, _waves, _bouquet, _city,
)  # fmt: skip
FRAMES: tuple[Colour, ...] = ((0.14, 0.12, 0.11), (0.52, 0.36, 0.22), (0.94, 0.93, 0.90), (0.72, 0.58, 0.32))


def picture(rng: Rng, size: int) -> Array:
    """Draw a framed painting [size, size, 3]."""
    colours = rng.choice(POSTER_COLOURS)
    canvas = Canvas(size, colours[0])
    rng.choice(STYLES)(rng, canvas, colours)
    canvas.add_noise(rng, 0.09)
    frame, mat = rng.uniform(0.03, 0.05), rng.uniform(0.0, 0.1)
    edge = np.minimum(np.minimum(canvas.x, 1 - canvas.x), np.minimum(canvas.y, 1 - canvas.y))
    canvas.cover(frame + mat - edge, (0.93, 0.92, 0.89))
    canvas.cover(frame - edge, rng.choice(FRAMES))
    canvas.cover(0.008 - np.abs(edge - frame), (0.25, 0.22, 0.2))
    return canvas.pixels


RUG_COLOURS: tuple[tuple[Colour, ...], ...] = (
    ((0.52, 0.16, 0.15), (0.16, 0.18, 0.30), (0.85, 0.74, 0.55), (0.72, 0.44, 0.26), (0.30, 0.12, 0.12)),
    ((0.24, 0.33, 0.43), (0.85, 0.80, 0.70), (0.62, 0.30, 0.24), (0.45, 0.55, 0.60), (0.14, 0.18, 0.26)),
    ((0.78, 0.72, 0.62), (0.42, 0.36, 0.32), (0.60, 0.48, 0.36), (0.90, 0.87, 0.80), (0.30, 0.34, 0.32)),
    ((0.40, 0.46, 0.36), (0.82, 0.78, 0.62), (0.66, 0.40, 0.28), (0.24, 0.28, 0.24), (0.75, 0.62, 0.40)),
)


def rug(rng: Rng, size: int) -> Array:
    """Draw a carpet [size, size, 3] with borders, a medallion and flowers."""
    colours = rng.choice(RUG_COLOURS)
    canvas = Canvas(size, colours[0])
    for _ in range(60):
        x, y, radius = rng.uniform(0.12, 0.88), rng.uniform(0.12, 0.88), rng.uniform(0.012, 0.035)
        canvas.disc(x, y, radius, rng.choice(colours[1:]), rng.uniform(0.7, 1.4))
        canvas.disc(x, y, radius * 0.45, rng.choice(colours))
    distance = np.abs(canvas.x - 0.5) + np.abs(canvas.y - 0.5) * rng.uniform(0.6, 1.0)
    for i, reach in enumerate((0.3, 0.25, 0.2, 0.12, 0.06)):
        canvas.cover(reach - distance + 0.012 * np.sin(canvas.x * 60) * np.sin(canvas.y * 60), colours[(i + 1) % 5])
    edge = np.minimum(np.minimum(canvas.x, 1 - canvas.x), np.minimum(canvas.y, 1 - canvas.y))
    for reach, colour in ((0.11, colours[4]), (0.095, colours[2]), (0.08, colours[1]), (0.02, colours[4])):
        canvas.cover(reach - edge, colour)
    for k in range(44):
        along = (k % 11 + 0.5) / 11
        x, y = ((along, 0.05), (along, 0.95), (0.05, along), (0.95, along))[k // 11]
        canvas.disc(x, y, 0.02, colours[rng.integer(4)])
    canvas.add_noise(rng, 0.12)
    return canvas.pixels


def window_view(rng: Rng, size: int) -> Array:
    """Draw a bright landscape [size, size, 3]: sky, clouds, hills, houses and trees."""
    zenith, horizon = rng.choice(SKIES)
    canvas = Canvas(size, horizon)
    canvas.below(
        np.zeros_like(canvas.x), np.array(zenith) + (np.array(horizon) - np.array(zenith)) * canvas.y[..., None] * 1.4
    )
    for _ in range(14):
        canvas.disc(rng.uniform(0, 1), rng.uniform(0.02, 0.4), rng.uniform(0.04, 0.13), (0.98, 0.98, 0.98), 0.35)
    canvas.below(_ridge(rng, canvas, 0.56, 0.07), (0.62, 0.72, 0.74))
    canvas.below(_ridge(rng, canvas, 0.66, 0.05), (0.55, 0.66, 0.45))
    for i in range(6):
        x, y, width = (i + rng.uniform(0.2, 0.8)) / 6, rng.uniform(0.68, 0.78), rng.uniform(0.1, 0.16)
        wall = scaled((0.95, 0.88, 0.78), rng.uniform(0.75, 1.0))
        canvas.cover(
            np.minimum(canvas.y - y + 0.16 - np.abs(canvas.x - x) * 0.8, y - canvas.y - 0.05), (0.62, 0.32, 0.26)
        )
        canvas.box(x, y, width, 0.14, wall)
        for k in range(4):
            canvas.box(x + (k % 2 - 0.5) * width * 0.5, y + (k // 2 - 0.5) * 0.07, 0.02, 0.03, (0.3, 0.36, 0.42))
    for _ in range(26):
        x, y, radius = rng.uniform(0, 1), rng.uniform(0.74, 0.98), rng.uniform(0.03, 0.08)
        canvas.disc(x, y, radius, scaled((0.38, 0.54, 0.28), rng.uniform(0.7, 1.25)), rng.uniform(0.8, 1.3))
    canvas.add_noise(rng, 0.06)
    return canvas.pixels


def book_row(rng: Rng, height: int, width: int) -> Array:
    """Draw book spines of different sizes, with bands and titles, before a dark back; [height, width, 3]."""
    row: Array = np.ones((height, width, 3)) * np.array([0.16, 0.13, 0.11])
    left = 0
    while left < width:
        right = min(left + 12 + rng.integer(16), width)
        top = int(height * rng.uniform(0.04, 0.3))
        colour = np.array(scaled(rng.choice(rng.choice(POSTER_COLOURS + RUG_COLOURS)), rng.uniform(0.7, 1.0)))
        profile = 1 - 0.35 * np.abs(np.linspace(-1, 1, right - left)) ** 3
        row[top:, left:right] = colour * profile[:, None]
        for _ in range(1 + rng.integer(3)):
            y = top + int((height - top) * rng.uniform(0.08, 0.9))
            row[y : y + 2 + rng.integer(4), left:right] = np.array(rng.choice(POSTER_COLOURS)[rng.integer(5)])
        title = top + int((height - top) * rng.uniform(0.25, 0.4))
        middle, title_length = (left + right) // 2, int((height - top) * rng.uniform(0.2, 0.4))
        marks = rng.array(title_length, 4)
        brightness = 0.42 if colour.mean() > 0.6 else 0.92
        row[title : title + title_length, middle - 2 : middle + 2][marks[: height - title] > 0.4] = brightness
        row[top:, right - 1] = 0.1
        left = right
    return row
