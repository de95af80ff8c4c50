"""Materials by their everyday names. Colours are given as they look on a screen and kept linear (squared)."""

from __future__ import annotations

from evalkit.data.procedural.rng import Dice
from evalkit.data.procedural.scenes.solids import Colour, Material
from evalkit.data.procedural.textures.atlas import PAGE

PICTURES = 16
VIEWS = 4
BOOK_ROWS = 4


def linear(screen: Colour) -> Colour:
    """Undo the square-root gamma of the renderer."""
    return (screen[0] ** 2, screen[1] ** 2, screen[2] ** 2)


def varied(screen: Colour, dice: Dice, amount: float = 0.06) -> Colour:
    """A colour near this one."""
    factor = 1 + dice.uniform(-amount, amount)
    red, green, blue = (min(c * factor + dice.uniform(-amount, amount) / 3, 0.97) for c in screen)
    return (red, green, blue)


def _somewhere(dice: Dice) -> tuple[float, float]:
    return (dice.uniform(0, 1), dice.uniform(0, 1))


def plaster(colour: Colour, dice: Dice, amount: float = 0.2) -> Material:
    """Painted plaster; one page is 4 m, more than a wall shows at once."""
    return Material(linear(colour), PAGE["plaster"], amount, (0.25, 0.25), _somewhere(dice))


def paint(colour: Colour, dice: Dice, amount: float = 0.12) -> Material:
    """Painted wood or metal: nearly even."""
    return Material(linear(colour), PAGE["plaster"], amount, (0.8, 0.8), _somewhere(dice))


def timber(colour: Colour, dice: Dice) -> Material:
    """A piece of wood, grain along the longer way of most pieces."""
    return Material(linear(colour), PAGE["wood"], 0.55, (0.7, 1.9), _somewhere(dice))


def planks(colour: Colour, dice: Dice) -> Material:
    """Floor boards, each from its own tree."""
    return Material(
        linear(colour), PAGE["wood"], 0.5, (0.6, 1.7), _somewhere(dice),
        cells=(dice.uniform(0.8, 1.4), dice.uniform(0.09, 0.16)), shift=0.382, gap=0.005, gap_tone=0.3,
        tint=dice.uniform(0.12, 0.22), chroma=0.03, shuffle=1.0,
    )  # fmt: skip


def parquet(colour: Colour, dice: Dice) -> Material:
    """Short blocks of wood."""
    return Material(
        linear(colour), PAGE["wood"], 0.5, (0.9, 1.7), _somewhere(dice),
        cells=(dice.uniform(0.3, 0.45), dice.uniform(0.07, 0.1)), shift=0.5, gap=0.003, gap_tone=0.35,
        tint=0.24, chroma=0.04, shuffle=1.0,
    )  # fmt: skip


def tiles(colour: Colour, dice: Dice) -> Material:
    """Stone tiles."""
    side = dice.uniform(0.25, 0.5)
    return Material(
        linear(colour), PAGE["stone"], 0.5, (0.55, 0.55), _somewhere(dice), cells=(side, side), gap=0.008,
        gap_tone=0.55, tint=0.09, chroma=0.02, shuffle=1.0,
    )  # fmt: skip


def bricks(colour: Colour, dice: Dice) -> Material:
    """Brickwork with pale or dark mortar."""
    return Material(
        linear(colour), PAGE["plaster"], 0.6, (0.6, 0.6), _somewhere(dice), cells=(0.25, 0.076), shift=0.5,
        gap=0.012, gap_tone=dice.pick((1.45, 0.6)), tint=0.22, chroma=0.06, shuffle=1.0,
    )  # fmt: skip


def panels(colour: Colour, dice: Dice) -> Material:
    """Upright boards, painted."""
    return Material(
        linear(colour), PAGE["plaster"], 0.3, (0.3, 0.3), _somewhere(dice), cells=(dice.uniform(0.1, 0.2), 0.0),
        gap=0.008, gap_tone=0.6, tint=0.05,
    )  # fmt: skip


def cloth(colour: Colour, dice: Dice) -> Material:
    """Woven upholstery."""
    return Material(linear(colour), PAGE["cloth"], 0.5, (0.9, 0.9), _somewhere(dice))


def stripes(colour: Colour, dice: Dice) -> Material:
    """Striped cloth."""
    return Material(
        linear(colour), PAGE["cloth"], 0.5, (0.9, 0.9), _somewhere(dice), cells=(dice.uniform(0.04, 0.09), 0.0),
        tint=0.25, chroma=0.12,
    )  # fmt: skip


def stone(colour: Colour, dice: Dice) -> Material:
    """Terrazzo or glazed clay."""
    return Material(linear(colour), PAGE["stone"], 0.5, (1.3, 1.3), _somewhere(dice))


def leaves(colour: Colour, dice: Dice) -> Material:
    """Foliage."""
    return Material(linear(colour), PAGE["foliage"], 0.9, (0.7, 0.7), _somewhere(dice))


def _quarter(page: str, index: int, width: float, height: float, brightness: float, glow: float = 0.0) -> Material:
    """One of the four motifs of a page, spread over a face of this size."""
    offset = (0.25 + 0.5 * (index % 2), 0.25 + 0.5 * (index // 2 % 2))
    scale = (0.4999 / width, 0.4999 / height)
    return Material((brightness / 2,) * 3, PAGE[page], 1.0, scale, offset, glow=glow)


def picture(index: int, width: float, height: float) -> Material:
    """A framed picture, one of `PICTURES`."""
    return _quarter(f"pictures-{index // 4 % 4}", index % 4, width, height, 1.0)


def rug(index: int, width: float, height: float) -> Material:
    """A carpet."""
    return _quarter("rugs", index, width, height, 0.95)


def view(index: int, width: float, height: float) -> Material:
    """The world outside of a window, one of `VIEWS`."""
    return _quarter("views", index, width, height, 1.0, glow=1.0)


def books(row: int, height: float, dice: Dice) -> Material:
    """A row of book spines, one of `BOOK_ROWS`, of this height."""
    return Material(
        (0.5, 0.5, 0.5), PAGE["books"], 1.0, (0.55, 0.249 / height), (dice.uniform(0, 1), 0.125 + 0.25 * row)
    )


def lamp(colour: Colour, dice: Dice) -> Material:
    """A lit shade."""
    return Material(linear(colour), PAGE["cloth"], 0.15, (1.5, 1.5), _somewhere(dice), glow=0.85)


def bricks_small(colour: Colour, dice: Dice) -> Material:
    """Brickwork on a model."""
    return Material(
        linear(colour), PAGE["plaster"], 0.5, (2.4, 2.4), _somewhere(dice), cells=(0.06, 0.024), shift=0.5,
        gap=0.004, gap_tone=dice.pick((1.4, 0.6)), tint=0.22, chroma=0.08, shuffle=1.0,
    )  # fmt: skip


def planks_small(colour: Colour, dice: Dice) -> Material:
    """Shingles or boards on a model."""
    return Material(
        linear(colour), PAGE["wood"], 0.5, (2.0, 4.0), _somewhere(dice), cells=(0.05, 0.03), shift=0.5,
        gap=0.003, gap_tone=0.4, tint=0.25, chroma=0.06, shuffle=1.0,
    )  # fmt: skip


def stripes_small(colour: Colour, dice: Dice) -> Material:
    """Knitted or painted bands on a model."""
    return Material(
        linear(colour), PAGE["cloth"], 0.6, (1.4, 1.4), _somewhere(dice), cells=(0.05, 0.035), shift=0.4,
        tint=0.3, chroma=0.18, shuffle=1.0,
    )  # fmt: skip
