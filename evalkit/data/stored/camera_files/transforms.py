"""transforms.json: the layout of nerfstudio and instant-ngp, c2w with OpenGL axes (x right, y up, z backward)."""

from __future__ import annotations

from math import pi, tan
from pathlib import Path
from typing import Annotated

import torch
from pydantic import BaseModel, Field, FiniteFloat

from evalkit.data.stored.camera_files.table import CameraTable, Matrix, Pinhole, as_4x4, inside, make_table, parse_json
from evalkit.data.stored.images import IMAGE_SUFFIXES, image_size
from evalkit.errors import SampleError

NAME = "transforms.json"
Length = Annotated[FiniteFloat, Field(ge=1)]  # instant-ngp writes 1920.0

_PINHOLE_MODELS = frozenset({"PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "PERSPECTIVE"})
_DISTORTION = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")


class _Lens(BaseModel):
    """What may stand at the top of the file for all frames, or in a frame for itself."""

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


class _Frame(_Lens):
    file_path: str
    transform_matrix: Matrix


class _File(_Lens):
    frames: Annotated[list[_Frame], Field(min_length=1)]


def present(folder: Path) -> bool:
    """Whether a folder has such a file."""
    return (folder / NAME).is_file()


def read(folder: Path) -> CameraTable:
    """Read ``folder/transforms.json``; frames keep the file's order. Raises SampleError for a distorted lens."""
    content = parse_json(_File, folder / NAME)
    shared = content.model_dump(exclude={"frames"}, exclude_unset=True)
    files = [_existing(folder, inside(NAME, frame.file_path)) for frame in content.frames]
    lenses = [_Lens(**shared | frame.model_dump(exclude_unset=True, exclude_none=True)) for frame in content.frames]
    c2w = as_4x4([frame.transform_matrix for frame in content.frames])
    flip = torch.diag(torch.tensor([1, -1, -1, 1], dtype=torch.float64))
    return make_table(
        NAME,
        [folder / NAME],
        files,
        torch.linalg.inv_ex(c2w @ flip).inverse,  # singular ones are refused with those that are not rigid
        [_pinhole(folder / file, lens, file) for file, lens in zip(files, lenses, strict=True)],
    )


def _existing(folder: Path, file: str) -> str:
    """Add the extension that the Blender data sets leave out."""
    if Path(file).suffix.lower() in IMAGE_SUFFIXES or (folder / file).is_file():
        return file
    return next((file + end for end in sorted(IMAGE_SUFFIXES) if (folder / (file + end)).is_file()), file)


def _pinhole(path: Path, lens: _Lens, file: str) -> Pinhole:
    distorted = any(getattr(lens, key) != 0 for key in _DISTORTION)
    if distorted or lens.is_fisheye or lens.camera_model.upper() not in _PINHOLE_MODELS:
        raise SampleError(f"{NAME}: frame {file}: its lens is distorted; undistort the images first")
    # An image whose size cannot be read fails when its pixels are needed; until then any size will do.
    known = None if lens.w is None or lens.h is None else (round(lens.w), round(lens.h))
    width, height = known or image_size(path) or (1, 1)
    focal_x = lens.fl_x
    if focal_x is None and lens.camera_angle_x is not None:
        focal_x = width / (2 * tan(lens.camera_angle_x / 2))
    if focal_x is None:
        raise SampleError(f"{NAME}: frame {file}: neither fl_x nor camera_angle_x")
    return Pinhole(
        focal_x,
        focal_x if lens.fl_y is None else lens.fl_y,
        width / 2 if lens.cx is None else lens.cx,
        height / 2 if lens.cy is None else lens.cy,
        width,
        height,
    )
