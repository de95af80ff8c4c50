"""Reading images: every kind becomes the same upright RGB, every damage one line."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from evalkit.data.stored.images import image_size, natural_key, read_image, read_mask
from evalkit.errors import SampleError

RAMP = np.arange(65536, dtype=np.uint16).reshape(256, 256)


def test_frame2_comes_before_frame10() -> None:
    names = ["frame10.png", "frame2.png", "a.png", "frame2b.png", "10.png", "9.png"]
    assert sorted(names, key=natural_key) == ["9.png", "10.png", "a.png", "frame2.png", "frame2b.png", "frame10.png"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(tmp_path: Path, orientation: int) -> None:
    upright = Image.fromarray(np.arange(6 * 4 * 3, dtype=np.uint8).reshape(4, 6, 3))
    stored = upright
    for step in _undo(orientation):
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(np.asarray(read_image(tmp_path / "a.png")), np.asarray(upright))
    assert image_size(tmp_path / "a.png") == (6, 4)


def _undo(orientation: int) -> list[Image.Transpose]:
    """How a camera that writes this tag turned the upright picture (EXIF 2.32, table 6)."""
    T = Image.Transpose
    return {
        1: [],
        2: [T.FLIP_LEFT_RIGHT],
        3: [T.ROTATE_180],
        4: [T.FLIP_TOP_BOTTOM],
        5: [T.TRANSPOSE],
        6: [T.ROTATE_90],
        7: [T.TRANSVERSE],
        8: [T.ROTATE_270],
    }[orientation]


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, extension: str) -> None:
    Image.fromarray(RAMP).save(tmp_path / f"grey.{extension}")
    read = np.asarray(read_image(tmp_path / f"grey.{extension}"))
    np.testing.assert_array_equal(read, np.repeat(np.rint(RAMP / 257)[..., None], 3, axis=2))


def test_16_bit_colour_is_right_to_a_level(tmp_path: Path) -> None:
    colour = np.stack([RAMP, RAMP[::-1], RAMP.T], axis=-1)
    (tmp_path / "colour.png").write_bytes(_png_16_bit(colour))
    read = np.asarray(read_image(tmp_path / "colour.png"), np.float64)
    assert np.abs(read - colour / 257).max() < 1


@pytest.mark.parametrize(
    ("mode", "stored", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("LA", (0, 51), (204, 204, 204)),
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 102), (255, 153, 153)),
    ],
)
def test_every_mode_becomes_rgb_on_white(tmp_path: Path, mode: str, stored: object, expected: object) -> None:
    Image.new(mode, (4, 4), stored).save(tmp_path / "a.png")  # type: ignore[arg-type]
    assert read_image(tmp_path / "a.png").getpixel((1, 1)) == expected


def test_palettes_and_print_colours_are_converted(tmp_path: Path) -> None:
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    red.convert("P").save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").getpixel((1, 1)) == (255, 0, 0)
    red.save(tmp_path / "keyed.png", transparency=(255, 0, 0))
    assert read_image(tmp_path / "keyed.png").getpixel((1, 1)) == (255, 255, 255)
    red.convert("CMYK").save(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg").getpixel((1, 1)) == pytest.approx((255, 0, 0), abs=3)


def test_a_mask_is_what_is_brighter_than_half(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 127, 128, 255]], np.uint8)).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png").tolist() == [[False, False, True, True]]


def test_damage_is_told_in_one_line(tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.fromarray(RAMP.astype(np.uint8)).save(whole, "JPEG")
    png = _png_16_bit(np.stack([RAMP] * 3, axis=-1))
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    enormous = png[:8] + _chunk(b"IHDR", header) + png[33:]
    files = {
        "half.jpg": (whole.getvalue()[: len(whole.getvalue()) // 2], "damaged image .*truncated"),
        "half.png": (png[: len(png) // 2], "damaged image"),
        "empty.jpg": (b"", "empty file"),
        "text.jpg": (b"not an image at all", "not an image"),
        "bomb.png": (enormous, "more than 89478485 pixels"),
    }
    for name, (content, reason) in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SampleError, match=f"^{reason}") as failure:
            read_image(tmp_path / name)
        assert "\n" not in str(failure.value) and str(tmp_path) not in str(failure.value)
    with pytest.raises(SampleError, match=r"^no such file$"):
        read_image(tmp_path / "absent.png")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_16_bit(pixels: NDArray[np.uint16]) -> bytes:
    """Write [H, W, 3] as PNG by hand: Pillow writes no 16-bit colour."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
