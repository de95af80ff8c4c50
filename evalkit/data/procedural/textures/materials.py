"""Materials by their everyday names. Colours are given as display values and stored as linear ones (squared)."""

from __future__ import annotations

from evalkit.data.procedural.primitives import Colour, Material
from evalkit.data.procedural.rng import Rng
from evalkit.data.procedural.textures.drawing import TEXTURE_INDEX

PICTURES = 16
VIEWS = 4
BOOK_ROWS = 4


def linear(display: Colour) -> Colour:
    """Undo the square-root gamma of the renderer."""
    return (display[0] ** 2, display[1] ** 2, display[2] ** 2)


def varied(display: Colour, rng: Rng, amount: float = 0.06) -> Colour:
    """A random colour near this one; both are display values."""
    factor = 1 + rng.uniform(-amount, amount)
    red, green, blue = (min(c * factor + rng.uniform(-amount, amount) / 3, 0.97) for c in display)
    return (red, green, blue)


def _random_offset(rng: Rng) -> tuple[float, float]:
    return (rng.uniform(0, 1), rng.uniform(0, 1))


def plaster(colour: Colour, rng: Rng, contrast: float = 0.2) -> Material:
    """Painted plaster. The texture repeats every 4 m, so that no wall shows the same part twice in one view."""
    return Material(linear(colour), TEXTURE_INDEX["plaster"], contrast, (0.25, 0.25), _random_offset(rng))


def paint(colour: Colour, rng: Rng, contrast: float = 0.12) -> Material:
    """Painted wood or metal, of nearly one colour."""
    return Material(linear(colour), TEXTURE_INDEX["plaster"], contrast, (0.8, 0.8), _random_offset(rng))


def timber(colour: Colour, rng: Rng) -> Material:
    """Wood, with grain along the longer side of most pieces."""
    return Material(linear(colour), TEXTURE_INDEX["wood"], 0.55, (0.7, 1.9), _random_offset(rng))


def planks(colour: Colour, rng: Rng) -> Material:
    """Floor boards that differ from each other."""
    return Material(
        linear(colour),
        TEXTURE_INDEX["wood"],
        0.5,
        (0.6, 1.7),
        _random_offset(rng),
        cells=(rng.uniform(0.8, 1.4), rng.uniform(0.09, 0.16)),
        row_shift=0.382,
        joint_width=0.005,
        joint_brightness=0.3,
        lightness_variation=rng.uniform(0.12, 0.22),
        hue_variation=0.03,
        shuffle_texture=1.0,
    )


def parquet(colour: Colour, rng: Rng) -> Material:
    """Short blocks of wood."""
    return Material(
        linear(colour),
        TEXTURE_INDEX["wood"],
        0.5,
        (0.9, 1.7),
        _random_offset(rng),
        cells=(rng.uniform(0.3, 0.45), rng.uniform(0.07, 0.1)),
        row_shift=0.5,
        joint_width=0.003,
        joint_brightness=0.35,
        lightness_variation=0.24,
        hue_variation=0.04,
        shuffle_texture=1.0,
    )


def tiles(colour: Colour, rng: Rng) -> Material:
    """Stone tiles."""
    side = rng.uniform(0.25, 0.5)
    return Material(
        linear(colour),
        TEXTURE_INDEX["stone"],
        0.5,
        (0.55, 0.55),
        _random_offset(rng),
        cells=(side, side),
        joint_width=0.008,
        joint_brightness=0.55,
        lightness_variation=0.09,
        hue_variation=0.02,
        shuffle_texture=1.0,
    )


def bricks(colour: Colour, rng: Rng) -> Material:
    """Bricks with bright or dark mortar."""
    return Material(
        linear(colour),
        TEXTURE_INDEX["plaster"],
        0.6,
        (0.6, 0.6),
        _random_offset(rng),
        cells=(0.25, 0.076),
        row_shift=0.5,
        joint_width=0.012,
        joint_brightness=rng.choice((1.45, 0.6)),
        lightness_variation=0.22,
        hue_variation=0.06,
        shuffle_texture=1.0,
    )


def panels(colour: Colour, rng: Rng) -> Material:
    """Painted vertical boards."""
    return Material(
        linear(colour),
        TEXTURE_INDEX["plaster"],
        0.3,
        (0.3, 0.3),
        _random_offset(rng),
        cells=(rng.uniform(0.1, 0.2), 0.0),
        joint_width=0.008,
        joint_brightness=0.6,
        lightness_variation=0.05,
    )


def cloth(colour: Colour, rng: Rng) -> Material:
    """Woven upholstery."""
    return Material(linear(colour), TEXTURE_INDEX["cloth"], 0.5, (0.9, 0.9), _random_offset(rng))


def stripes(colour: Colour, rng: Rng) -> Material:
    """Striped cloth."""
    return Material(
        linear(colour),
        TEXTURE_INDEX["cloth"],
        0.5,
        (0.9, 0.9),
        _random_offset(rng),
        cells=(rng.uniform(0.04, 0.09), 0.0),
        lightness_variation=0.25,
        hue_variation=0.12,
    )


def stone(colour: Colour, rng: Rng) -> Material:
    """Terrazzo or glazed clay."""
    return Material(linear(colour), TEXTURE_INDEX["stone"], 0.5, (1.3, 1.3), _random_offset(rng))


def leaves(colour: Colour, rng: Rng) -> Material:
    """Foliage."""
    return Material(linear(colour), TEXTURE_INDEX["foliage"], 0.9, (0.7, 0.7), _random_offset(rng))


def _quarter(
    texture: str, index: int, width: float, height: float, brightness: float, emission: float = 0.0
) -> Material:
    """One of the four motifs of a texture, stretched over a face of this size in metres."""
    offset = (0.25 + 0.5 * (index % 2), 0.25 + 0.5 * (index // 2 % 2))
    scale = (0.4999 / width, 0.4999 / height)
    return Material((brightness / 2,) * 3, TEXTURE_INDEX[texture], 1.0, scale, offset, emission=emission)


def picture(index: int, width: float, height: float) -> Material:
    """A framed picture. ``index`` is 0 to `PICTURES` - 1; the size is in metres."""
    return _quarter(f"pictures-{index // 4 % 4}", index % 4, width, height, 1.0)


def rug(index: int, width: float, height: float) -> Material:
    """A carpet. ``index`` is 0 to 3; the size is in metres."""
    return _quarter("rugs", index, width, height, 0.95)


def view(index: int, width: float, height: float) -> Material:
    """What is seen through a window. ``index`` is 0 to `VIEWS` - 1; the size is in metres."""
    return _quarter("views", index, width, height, 1.0, emission=1.0)


def books(row: int, height: float, rng: Rng) -> Material:
    """A row of book spines. ``row`` is 0 to `BOOK_ROWS` - 1; the height is in metres."""
    return Material(
        (0.5, 0.5, 0.5), TEXTURE_INDEX["books"], 1.0, (0.55, 0.249 / height), (rng.uniform(0, 1), 0.125 + 0.25 * row)
    )


def lamp(colour: Colour, rng: Rng) -> Material:
    """The shade of a lamp that is on."""
    return Material(linear(colour), TEXTURE_INDEX["cloth"], 0.15, (1.5, 1.5), _random_offset(rng), emission=0.85)


def bricks_small(colour: Colour, rng: Rng) -> Material:
    """Bricks of a model house."""
    return Material(
        linear(colour),
        TEXTURE_INDEX["plaster"],
        0.5,
        (2.4, 2.4),
        _random_offset(rng),
        cells=(0.06, 0.024),
        row_shift=0.5,
        joint_width=0.004,
        joint_brightness=rng.choice((1.4, 0.6)),
        lightness_variation=0.22,
        hue_variation=0.08,
        shuffle_texture=1.0,
    )


def planks_small(colour: Colour, rng: Rng) -> Material:
    """Shingles or boards of a model house."""
    return Material(
        linear(colour),
        TEXTURE_INDEX["wood"],
        0.5,
        (2.0, 4.0),
        _random_offset(rng),
        cells=(0.05, 0.03),
        row_shift=0.5,
        joint_width=0.003,
        joint_brightness=0.4,
        lightness_variation=0.25,
        hue_variation=0.06,
        shuffle_texture=1.0,
    )


def stripes_small(colour: Colour, rng: Rng) -> Material:
    """Knitted or painted stripes of a small object."""
    return Material(
        linear(colour),
        TEXTURE_INDEX["cloth"],
        0.6,
        (1.4, 1.4),
        _random_offset(rng),
        cells=(0.05, 0.035),
        row_shift=0.4,
        lightness_variation=0.3,
        hue_variation=0.18,
        shuffle_texture=1.0,
    )
