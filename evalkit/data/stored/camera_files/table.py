"""The cameras of one sequence, whatever file they come from, and the checks that all of them must pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, NamedTuple, TypeVar

import torch
from pydantic import BaseModel, Field, FiniteFloat, ValidationError
from torch import Tensor

from evalkit.errors import SampleError

Model = TypeVar("Model", bound=BaseModel)
Row = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
Matrix = Annotated[list[Row], Field(min_length=3, max_length=4)]

_RIGID_TOLERANCE = 1e-3


class Pinhole(NamedTuple):
    """Intrinsics in pixels of an image of ``width`` x ``height``, the centre of its first pixel at (0.5, 0.5)."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int


@dataclass(frozen=True)
class CameraTable:
    """Frames in order, with their cameras: paths relative to the folder, w2c [N, 4, 4] float64 (OpenCV), lenses.

    ``segments`` are [start, end) runs of frames without a jump; ``sources`` are the files that all this is from.
    """

    name: str
    sources: tuple[Path, ...]
    files: tuple[str, ...]
    w2c: Tensor
    pinholes: tuple[Pinhole, ...]
    segments: tuple[tuple[int, int], ...]

    def intrinsics(self, index: int, width: int, height: int) -> Tensor:
        """Intrinsics [3, 3] float64 of a frame whose image is ``width`` x ``height``.

        Scaled by the true ratios where the file speaks of another size. Raises SampleError where one size is
        upright and the other lies on its side: then the cameras are of pixels before an EXIF rotation.
        """
        lens = self.pinholes[index]
        if (lens.width - lens.height) * (width - height) < 0:
            raise SampleError(f"its camera is for {lens.width}x{lens.height}, but upright it is {width}x{height}")
        x, y = width / lens.width, height / lens.height
        rows = [[lens.fx * x, 0, lens.cx * x], [0, lens.fy * y, lens.cy * y], [0, 0, 1]]
        return torch.tensor(rows, dtype=torch.float64)


def make_table(
    name: str,
    sources: Sequence[Path],
    files: Sequence[str],
    w2c: Tensor,
    pinholes: Sequence[Pinhole],
    segments: Sequence[tuple[int, int]] | None = None,
) -> CameraTable:
    """Check and assemble a table from w2c [N, 4, 4]. Raises SampleError, naming the frame."""
    paths = tuple(inside(name, file) for file in files)
    for file, rigid, lens in zip(paths, _is_rigid(w2c).tolist(), pinholes, strict=True):
        if not rigid:
            raise SampleError(f"{name}: frame {file}: its camera is not a rotation and a translation")
        if not (min(lens.fx, lens.fy, lens.width, lens.height) > 0 and all(map(isfinite, lens))):
            raise SampleError(f"{name}: frame {file}: focal lengths and image size must be positive and finite")
    return CameraTable(name, tuple(sources), paths, w2c, tuple(pinholes), _runs(name, segments, len(files)))


def parse_json(model: type[Model], path: Path) -> Model:
    """Read a JSON file as a pydantic model. Raises SampleError, naming the frame, for what does not fit."""
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SampleError(f"{path.name}: {where + ': ' if where else ''}{first['msg']}") from error


def as_4x4(matrices: Sequence[Sequence[Row]]) -> Tensor:
    """Stack matrices of three or four rows as [N, 4, 4] float64."""
    whole = [[*rows[:3], rows[3] if len(rows) == 4 else (0.0, 0.0, 0.0, 1.0)] for rows in matrices]
    return torch.tensor(whole, dtype=torch.float64)


def inside(name: str, file: str) -> str:
    """Normalise the path of a frame. Raises SampleError where it leaves the folder of its sequence.

    >>> inside("transforms.json", "./images/1.png")
    'images/1.png'
    """
    path = PurePosixPath(file)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in file or PureWindowsPath(file).drive:
        raise SampleError(f"{name}: frame '{file}' is not a path inside the folder of its sequence")
    return str(path)


def _is_rigid(w2c: Tensor) -> Tensor:
    """Tell which of [N, 4, 4] are rigid motions, up to the digits that files are written with."""
    rotation = w2c[:, :3, :3]
    identity = torch.eye(4, dtype=w2c.dtype)
    skew = (rotation @ rotation.mT - identity[:3, :3]).abs().amax((1, 2))
    last = (w2c[:, 3] - identity[3]).abs().amax(1)
    close = torch.maximum(skew, last) <= _RIGID_TOLERANCE
    finite = w2c.isfinite().flatten(1).all(1)
    return close.logical_and(finite).logical_and(torch.linalg.det(rotation) > 0)


def _runs(name: str, segments: Sequence[tuple[int, int]] | None, count: int) -> tuple[tuple[int, int], ...]:
    if segments is None:
        return ((0, count),)
    previous = 0
    for start, end in segments:
        if not previous <= start < end <= count:
            raise SampleError(f"{name}: segment {start}-{end} is empty, overlaps another or leaves 0-{count}")
        previous = end
    return tuple(segments)
