"""The cameras of one sequence from any kind of file, and the checks that all must pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, FiniteFloat, ValidationError

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
    """The cameras of N frames, in the order of the frames.

    Attributes:
        name: of the camera file, for messages.
        sources: the files that the cameras were read from.
        images: paths of the images, relative to the folder of the sequence.
        matrices: [N, 4, 4] float64 rigid motions, OpenCV axes: w2c, or c2w where ``inverted``.
        pinholes: intrinsics of each frame.
        segments: [start, end) runs of frames without a jump.
        inverted: whether ``matrices`` are c2w.
    """

    name: str
    sources: tuple[Path, ...]
    images: tuple[str, ...]
    matrices: NDArray[np.float64]
    pinholes: tuple[Pinhole, ...]
    segments: tuple[tuple[int, int], ...]
    inverted: bool = False

    def w2c(self, index: int) -> NDArray[np.float64]:
        """World-to-camera matrix [4, 4] of a frame."""
        matrix: NDArray[np.float64] = self.matrices[index]
        if not self.inverted:
            return matrix
        from evalkit.data.stored.tensors import inverse  # imports torch, which is not needed before frames are read

        return inverse(matrix)

    def intrinsics(self, index: int, width: int, height: int) -> NDArray[np.float64]:
        """Intrinsics [3, 3] float64 of a frame whose image is ``width`` x ``height``.

        They are scaled by the exact ratio of each axis where the camera file was made for another size. Raises
        SampleError where one size is portrait and the other landscape: then the camera is of pixels before an EXIF
        rotation.
        """
        pinhole = self.pinholes[index]
        if (pinhole.width - pinhole.height) * (width - height) < 0:
            size = f"{pinhole.width}x{pinhole.height}"
            raise SampleError(f"its camera is for {size}, but upright it is {width}x{height}")
        x, y = width / pinhole.width, height / pinhole.height
        return np.array([[pinhole.fx * x, 0, pinhole.cx * x], [0, pinhole.fy * y, pinhole.cy * y], [0, 0, 1]])


def make_table(
    name: str,
    sources: Sequence[Path],
    images: Sequence[str],
    matrices: NDArray[np.float64],
    pinholes: Sequence[Pinhole],
    segments: Sequence[tuple[int, int]] | None = None,
    inverted: bool = False,
) -> CameraTable:
    """Check the cameras of a sequence and assemble their table; arguments as in `CameraTable`.

    Raises SampleError, naming the frame.
    """
    paths = tuple(path_inside(name, image) for image in images)
    for path, rigid, pinhole in zip(paths, _is_rigid(matrices).tolist(), pinholes, strict=True):
        if not rigid:
            raise SampleError(f"{name}: frame {path}: its camera is not a rotation and a translation")
        if not (min(pinhole.fx, pinhole.fy, pinhole.width, pinhole.height) > 0 and all(map(isfinite, pinhole))):
            raise SampleError(f"{name}: frame {path}: focal lengths and image size must be positive and finite")
    runs = _checked_segments(name, segments, len(images))
    return CameraTable(name, tuple(sources), paths, matrices, tuple(pinholes), runs, inverted)


def parse_json(model: type[Model], path: Path) -> Model:
    """Read a JSON file as a pydantic model. Raises SampleError, naming the frame, for what does not fit."""
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SampleError(f"{path.name}: {where + ': ' if where else ''}{first['msg']}") from error


def as_4x4(matrices: Sequence[Sequence[Row]]) -> NDArray[np.float64]:
    """Stack matrices of three or four rows as [N, 4, 4] float64."""
    whole = [[*rows[:3], rows[3] if len(rows) == 4 else (0.0, 0.0, 0.0, 1.0)] for rows in matrices]
    return np.array(whole, np.float64)


def path_inside(name: str, file: str) -> str:
    """Normalise the path of an image. Raises SampleError where it leaves the folder of its sequence.

    >>> path_inside("transforms.json", "./images/1.png")
    'images/1.png'
    """
    path = PurePosixPath(file)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in file or PureWindowsPath(file).drive:
        raise SampleError(f"{name}: frame '{file}' is not a path inside the folder of its sequence")
    return str(path)


def _is_rigid(matrices: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which of [N, 4, 4] are rigid motions, up to the digits that files are written with."""
    rotations = matrices[:, :3, :3]
    with np.errstate(all="ignore"):  # what overflows is not rigid
        products = rotations @ rotations.swapaxes(1, 2)
        orthonormal = np.abs(products - np.eye(3)).max((1, 2)) <= _RIGID_TOLERANCE
        affine = np.abs(matrices[:, 3] - np.eye(4)[3]).max(1) <= _RIGID_TOLERANCE
        right_handed = np.linalg.det(rotations) > 0
    rigid: NDArray[np.bool_] = orthonormal & affine & right_handed & np.isfinite(matrices).all((1, 2))
    return rigid


def _checked_segments(name: str, segments: Sequence[tuple[int, int]] | None, count: int) -> tuple[tuple[int, int], ...]:
    if segments is None:
        return ((0, count),)
    previous = 0
    for start, end in segments:
        if not previous <= start < end <= count:
            raise SampleError(f"{name}: segment {start}-{end} is empty, overlaps another or leaves 0-{count}")
        previous = end
    return tuple(segments)
