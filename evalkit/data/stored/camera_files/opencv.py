"""opencv_cameras.json: the layout that LVSM, RayZer, E-RayZer and Long-LRM read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, FiniteFloat

from evalkit.data.stored.camera_files.table import (
    CameraTable,
    Matrix,
    Pinhole,
    as_4x4,
    make_table,
    parse_json,
    path_inside,
)
from evalkit.data.stored.images import image_size

NAME = "opencv_cameras.json"


class _Frame(BaseModel):
    file_path: str
    w2c: Matrix
    fx: FiniteFloat
    fy: FiniteFloat
    cx: FiniteFloat
    cy: FiniteFloat
    w: int | None = None
    h: int | None = None


class _Segment(BaseModel):
    start: int
    end: int


class _File(BaseModel):
    frames: Annotated[list[_Frame], Field(min_length=1)]
    segments: Annotated[list[_Segment], Field(min_length=1)] | None = None


def present(folder: Path) -> bool:
    """Whether a folder has an opencv_cameras.json."""
    return (folder / NAME).is_file()


def read(folder: Path) -> CameraTable:
    """Read ``folder/opencv_cameras.json``; frames keep the order of the file, which published lists refer to."""
    content = parse_json(_File, folder / NAME)
    segments = content.segments
    return make_table(
        NAME,
        [folder / NAME],
        [frame.file_path for frame in content.frames],
        as_4x4([frame.w2c for frame in content.frames]),
        [_pinhole(folder, frame) for frame in content.frames],
        None if segments is None else [(segment.start, segment.end) for segment in segments],
    )


def _pinhole(folder: Path, frame: _Frame) -> Pinhole:
    if frame.w is not None and frame.h is not None:
        width, height = frame.w, frame.h
    else:  # an image whose size cannot be read fails when its pixels are read; until then any size will do
        width, height = image_size(folder / path_inside(NAME, frame.file_path)) or (1, 1)
    return Pinhole(frame.fx, frame.fy, frame.cx, frame.cy, width, height)
