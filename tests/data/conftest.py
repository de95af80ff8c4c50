"""A video whose frames show their numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

COUNT = 30


def _coded(number: int) -> NDArray[np.uint8]:
    """A 64x48 frame: a white mark at the top left, below it the number in five bars, least bit first."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:16, :16] = 255
    for bit in range(5):
        pixels[16:, 12 * bit : 12 * bit + 12] = 255 * (number >> bit & 1)
    return pixels


def _write(path: Path, codec: str = "libx264", count: int = COUNT) -> Path:
    """Encode coded frames, with B-frames and several keyframes where the codec has them."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 7
        for number in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_coded(number), format="rgb24")))
        container.mux(stream.encode())
    return path


def _decode(frame: ArrayLike) -> int:
    """Read the number of a coded frame."""
    bars = np.asarray(frame)[32, 6:60:12, 1] > 127
    return int(sum(1 << bit for bit in range(5) if bars[bit]))


@pytest.fixture
def write_video() -> Callable[..., Path]:
    """``write_video(path, codec, count)`` encodes 30 frames that show their numbers."""
    return _write


@pytest.fixture
def decode() -> Callable[[ArrayLike], int]:
    """``decode(frame)`` reads the number that a frame shows."""
    return _decode
