"""A contact sheet of one sample: named strips of frames."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

CAPTION = 18
SMALLEST = 128  # pixels a side


def contact_sheet(strips: Mapping[str, Tensor]) -> bytes:
    """Draw strips, each [T, 3, H, W] in [0, 1], under each other with their names; returns a PNG."""
    pictures = [_strip(images) for images in strips.values()]
    width = max(picture.width for picture in pictures)
    height = sum(picture.height + CAPTION for picture in pictures)
    sheet = Image.new("RGB", (width, height), "white")
    draw, top = ImageDraw.Draw(sheet), 0
    for name, picture in zip(strips, pictures, strict=True):
        draw.text((4, top + 3), name, fill="black")
        sheet.paste(picture, (0, top + CAPTION))
        top += picture.height + CAPTION
    buffer = BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def picture(images: Tensor) -> Image.Image:
    """Draw images [T, 3, H, W] in [0, 1] side by side."""
    pixels = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return Image.fromarray(np.concatenate(list(pixels), axis=1))


def _strip(images: Tensor) -> Image.Image:
    """A strip that can be seen: small images are enlarged by a whole number, so that every pixel stays one."""
    drawn, times = picture(images), max(SMALLEST // images.shape[-1], 1)
    return drawn.resize((drawn.width * times, drawn.height * times), Image.Resampling.NEAREST)
