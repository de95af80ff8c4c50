"""Reads frames of a video by number, exactly; needs PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from evalkit.errors import SampleError, UserError

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"})


@cache
def frame_count(path: Path, name: str = "") -> int:
    """Count the frames of a video: what the container says, else what decoding gives.

    Raises SampleError ``name: reason`` where there is no video to read, UserError where PyAV is not installed.
    """
    with _opened(path, name) as (container, stream):
        return stream.frames or sum(1 for _ in container.decode(stream))


def read_frames(path: Path, numbers: Iterable[int], name: str = "") -> Iterator[tuple[int, Image.Image]]:
    """Yield (number, frame) for the given numbers (from 0, in order of display), ascending, as upright RGB.

    Decodes from the start: seeking is exact only to keyframes, and timestamps are not always unique. Raises
    SampleError ``name: reason`` where a frame is missing or damaged, UserError where PyAV is not installed.
    """
    wanted = sorted(set(numbers))
    with _opened(path, name) as (container, stream):
        decoded = enumerate(container.decode(stream))
        for number in wanted:
            frame = next((frame for position, frame in decoded if position == number), None)
            if frame is None:
                raise SampleError(f"{name or path}: frame {number} cannot be decoded (truncated video?)")
            yield number, _upright(frame)


@contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[Any, Any]]:
    """Open a container and its first video stream; what goes wrong while it is open becomes a SampleError."""
    try:
        import av
    except ModuleNotFoundError as error:
        raise UserError(f"reading {name or path} needs PyAV: pip install 'evalkit[video]'") from error
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise SampleError(f"{name or path}: no video in it")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            yield container, stream
    except (av.error.FFmpegError, OSError) as error:
        raise SampleError(f"{name or path}: unreadable video ({error.strerror})") from error


def _upright(frame: Any) -> Image.Image:
    image: Image.Image = frame.to_image()
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image
