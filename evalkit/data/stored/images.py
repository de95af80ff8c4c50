"""Read one image of any common kind as upright 8-bit RGB."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from evalkit.errors import SampleError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm"})

_MAX_PIXELS = 89_478_485  # where Pillow starts to warn of decompression bombs
_QUARTER_TURNS = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key that compares the numbers in names by value: frame 2 before frame 10.

    >>> sorted(["f10.png", "f9.png", "f010.png"], key=natural_key)
    ['f9.png', 'f010.png', 'f10.png']
    """
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def read_image(path: Path) -> Image.Image:
    """Read an image as upright 8-bit RGB.

    EXIF rotation is applied; transparency is composited on white; 16-bit grey is scaled, not clipped, while 16-bit
    colour loses its low byte (less than one level of 255).

    Raises:
        SampleError: the file is missing, empty, truncated, not an image, or too large. The message is the reason on
            one line; the caller names the file.
    """
    try:
        with Image.open(path) as image:
            _check_size(image)
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
    except Exception as error:  # damaged files make Pillow raise many types: SyntaxError, struct.error, ...
        raise SampleError(_reason(path, error)) from error


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read an image as a mask [H, W], true where it is brighter than half. Raises SampleError as `read_image` does."""
    return np.asarray(read_image(path).convert("L")) > 127


def image_size(path: Path) -> tuple[int, int] | None:
    """Read the upright (width, height) from an image's header, or None where it cannot be read."""
    try:
        with Image.open(path) as image:
            rotated = image.getexif().get(ExifTags.Base.Orientation) in _QUARTER_TURNS
            return (image.height, image.width) if rotated else image.size
    except Exception:  # as above; `read_image` reports the reason
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
    """Scale 16-bit grey to 8 bits; Pillow's ``convert`` would clip it at 255."""
    values = np.asarray(image)
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
        raise ValueError("neither 8 nor 16 bits a channel")
    return Image.fromarray(np.rint(values / 257).astype(np.uint8))


def _reason(path: Path, error: Exception) -> str:
    """Say on one line, without the folder, why a file cannot be read."""
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
