"""transforms.json: the layout of nerfstudio and instant-ngp, c2w with OpenGL axes (x right, y up, z backward)."""

from __future__ import annotations

from math import pi, tan
from pathlib import Path
from typing import Annotated

import numpy as np
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
from evalkit.data.stored.images import IMAGE_SUFFIXES, image_size
from evalkit.errors import SampleError

NAME = "transforms.json"
Length = Annotated[FiniteFloat, Field(ge=1)]  # instant-ngp writes 1920.0

_PINHOLE_MODELS = frozenset({"PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "PERSPECTIVE"})
_DISTORTION = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")


class _Intrinsics(BaseModel):
    """Keys at the top of the file, for all frames, or in one frame."""

    fl_x: FiniteFloat | None = None
    fl_y: FiniteFloat | None = None
    cx: FiniteFloat | None = None
    cy: FiniteFloat | None = None
    w: Length | None = None
    h: Length | None = None
    camera_angle_x: Annotated[float, Field(gt=0, lt=pi)] | None = None
    camera_model: str = "PINHOLE"
    is_fisheye: bool = False
    k1: float = 0
    k2: float = 0
    k3: float = 0
    k4: float = 0
    k5: float = 0
    k6: float = 0
    p1: float = 0
    p2: float = 0


class _Frame(_Intrinsics):
    file_path: str
    transform_matrix: Matrix


class _File(_Intrinsics):
    frames: Annotated[list[_Frame], Field(min_length=1)]


def present(folder: Path) -> bool:
    """Whether a folder has a transforms.json."""
    return (folder / NAME).is_file()


def read(folder: Path) -> CameraTable:
    """Read ``folder/transforms.json``; frames keep the order of the file.

    Raises SampleError for images with lens distortion.
    """
    content = parse_json(_File, folder / NAME)
    shared = content.model_dump(exclude={"frames"}, exclude_unset=True)
    images = [_existing(folder, path_inside(NAME, frame.file_path)) for frame in content.frames]
    pinholes = [
        _pinhole(folder, image, _Intrinsics(**shared | frame.model_dump(exclude_unset=True, exclude_none=True)))
        for image, frame in zip(images, content.frames, strict=True)
    ]
    c2w_opengl = as_4x4([frame.transform_matrix for frame in content.frames])
    c2w = c2w_opengl @ np.diag([1.0, -1.0, -1.0, 1.0])
    return make_table(NAME, [folder / NAME], images, c2w, pinholes, inverted=True)


def _existing(folder: Path, file: str) -> str:
    """Add the file extension where it is left out, as in the Blender data sets."""
    if Path(file).suffix.lower() in IMAGE_SUFFIXES or (folder / file).is_file():
        return file
    return next((file + end for end in sorted(IMAGE_SUFFIXES) if (folder / (file + end)).is_file()), file)


def _pinhole(folder: Path, image: str, stored: _Intrinsics) -> Pinhole:
    distorted = any(getattr(stored, key) != 0 for key in _DISTORTION)
    if distorted or stored.is_fisheye or stored.camera_model.upper() not in _PINHOLE_MODELS:
        raise SampleError(f"{NAME}: frame {image}: its lens is distorted; undistort the images first")
    # An image whose size cannot be read fails when its pixels are read; until then any size will do.
    size = None if stored.w is None or stored.h is None else (round(stored.w), round(stored.h))
    width, height = size or image_size(folder / image) or (1, 1)
    focal_x = stored.fl_x
    if focal_x is None and stored.camera_angle_x is not None:
        focal_x = width / (2 * tan(stored.camera_angle_x / 2))
    if focal_x is None:
        raise SampleError(f"{NAME}: frame {image}: neither fl_x nor camera_angle_x")
    return Pinhole(
        focal_x,
        focal_x if stored.fl_y is None else stored.fl_y,
        width / 2 if stored.cx is None else stored.cx,
        height / 2 if stored.cy is None else stored.cy,
        width,
        height,
    )
