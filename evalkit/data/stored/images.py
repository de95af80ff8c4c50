"""Reads one still image, whatever its kind, as upright 8-bit RGB."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from evalkit.errors import SampleError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm"})

_MAX_PIXELS = 89_478_485  # where Pillow starts to warn of decompression bombs
_QUARTER_TURNS = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Key that sorts names as people count.

    >>> sorted(["f10.png", "f9.png", "f010.png"], key=natural_key)
    ['f9.png', 'f010.png', 'f10.png']
    """
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def read_image(path: Path, name: str = "") -> Image.Image:
    """Read an image as RGB, 8 bit, upright.

    EXIF rotation is applied; transparency is composited on white; 16-bit grey is scaled, not clipped, while 16-bit
    colour loses its low byte (less than one level of 255). Raises SampleError, one line ``name: reason`` (the path
    where no name is given), for a file that is missing, empty, truncated, no image, or too large to be one.
    """
    try:
        with Image.open(path) as image:
            _check_size(image)
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
    except Exception as error:  # of damaged files Pillow raises nearly everything: SyntaxError, struct.error, ...
        raise SampleError(f"{name or path}: {_reason(path, error)}") from error


def image_size(path: Path) -> tuple[int, int] | None:
    """Read the upright (width, height) from an image's header, or None where it cannot be read."""
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation) in _QUARTER_TURNS
            return (image.height, image.width) if turned else image.size
    except Exception:  # as above; whoever needs the pixels gets the reason
        return None


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > _MAX_PIXELS:
        raise Image.DecompressionBombError


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = _scale_to_8_bit(image)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def _scale_to_8_bit(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, which `convert` would clip at 255 instead of scaling."""
    values = np.asarray(image)
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
        raise ValueError("neither 8 nor 16 bits a channel")
    return Image.fromarray(np.rint(values / 257).astype(np.uint8))


def _reason(path: Path, error: Exception) -> str:
    """Say in one line, without the path, why a file cannot be read."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {_MAX_PIXELS} pixels"
    if path.is_file() and path.stat().st_size == 0:
        return "empty file"
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"damaged image ({' '.join(text.split()) or type(error).__name__})"
