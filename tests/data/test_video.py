"""Videos: a frame number means that frame, whatever the codec reorders."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.data.stored.video import frame_count, read_frames
from evalkit.errors import SampleError, UserError


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4")])
def test_a_frame_number_means_that_frame(
    tmp_path: Path, name: str, codec: str, write_video: Callable[..., Path], decode: Callable[[Any], int]
) -> None:
    path = write_video(tmp_path / name, codec)
    assert frame_count(path) == 30
    wanted = [29, 0, 13, 7, 14, 6, 13]
    frames = dict(read_frames(path, wanted))
    assert {number: decode(frame) for number, frame in frames.items()} == {number: number for number in wanted}
    assert frames[13].mode == "RGB" and frames[13].size == (64, 48)


def test_a_phone_held_upright_gives_upright_frames(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    path = write_video(tmp_path / "a.mp4", count=3)
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40  # ISO 14496-12, track header version 0
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(content)
    ((_, frame),) = read_frames(path, [0])
    assert frame.size == (48, 64)
    assert frame.getpixel((40, 8)) > (200, 200, 200) and frame.getpixel((8, 8)) < (50, 50, 50)


def test_damage_is_told_in_one_line(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    whole = write_video(tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "short.mkv").write_bytes(whole[: len(whole) * 9 // 10])
    with pytest.raises(SampleError, match=r"^frame 29 cannot be decoded"):
        dict(read_frames(tmp_path / "short.mkv", [0, 29]))
    for content in (b"", b"no video" * 99):
        (tmp_path / "bad.mp4").write_bytes(content)
        with pytest.raises(SampleError, match=r"^unreadable video") as failure:
            frame_count(tmp_path / "bad.mp4")
        assert "\n" not in str(failure.value) and str(tmp_path) not in str(failure.value)


def test_without_pyav_the_user_learns_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"pip install 'evalkit\[video\]'"):
        frame_count(tmp_path / "clip.mp4")
