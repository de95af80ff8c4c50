"""Read frames of a video by number, exactly. Needs PyAV."""

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
def frame_count(path: Path) -> int:
    """Number of frames of a video: what the container says; where it says nothing, all frames are decoded.

    Raises:
        SampleError: it cannot be read; the message is the reason, the caller names the file.
        UserError: PyAV is not installed.
    """
    with _open_video(path) as (container, stream):
        return stream.frames or sum(1 for _ in container.decode(stream))


def read_frames(path: Path, numbers: Iterable[int]) -> Iterator[tuple[int, Image.Image]]:
    """Yield (number, frame) for frame numbers from 0 in order of display: ascending, as upright RGB.

    Decodes from the start, because seeking is exact only to keyframes and timestamps are not always unique.

    Raises:
        SampleError: a frame is missing or damaged; the message is the reason, the caller names the file.
        UserError: PyAV is not installed.
    """
    with _open_video(path) as (container, stream):
        decoded = enumerate(container.decode(stream))
        for number in sorted(set(numbers)):
            frame = next((frame for position, frame in decoded if position == number), None)
            if frame is None:
                raise SampleError(f"frame {number} cannot be decoded (truncated video?)")
            yield number, _upright(frame)


@contextmanager
def _open_video(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open a container and its first video stream. PyAV's errors become SampleErrors as long as it is open."""
    try:
        import av
    except ModuleNotFoundError as error:
        raise UserError(f"reading {path.name} needs PyAV: pip install 'evalkit[video]'") from error
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise SampleError("no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            yield container, stream
    except (av.error.FFmpegError, OSError) as error:
        raise SampleError(f"unreadable video ({error.strerror})") from error


def _upright(frame: Any) -> Image.Image:
    image: Image.Image = frame.to_image()
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image
