"""COLMAP models, binary or text. Only cameras and images are read; rigs, frames and points are not needed.

Format: https://colmap.github.io/format.html. Axes and pixel centres follow the same conventions as ours.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.data.stored.camera_files.table import CameraTable, Pinhole, make_table
from evalkit.data.stored.images import natural_key
from evalkit.errors import SampleError
from evalkit.geometry.quaternions import rotation_entries

_MODEL_FOLDERS = ("sparse/0", "sparse", "colmap/sparse/0")

# Camera models that are pinholes where their distortion is zero. Their parameters start with this many focal lengths.
_FOCAL_COUNTS = {"SIMPLE_PINHOLE": 1, "PINHOLE": 2, "SIMPLE_RADIAL": 1, "RADIAL": 1, "OPENCV": 2, "FULL_OPENCV": 2}
# The same models by their number in binary files, with their number of parameters.
_NUMBERED_MODELS = {
    0: ("SIMPLE_PINHOLE", 3),
    1: ("PINHOLE", 4),
    2: ("SIMPLE_RADIAL", 4),
    3: ("RADIAL", 5),
    4: ("OPENCV", 8),
    6: ("FULL_OPENCV", 12),
}


class _Image(NamedTuple):
    name: str
    camera: int
    pose: tuple[float, ...]  # quaternion w, x, y, z and translation of w2c


def present(folder: Path) -> bool:
    """Whether a folder has a model in one of the usual folders."""
    return bool(_model_files(folder))


def read(folder: Path) -> CameraTable:
    """Read the model of a folder; frames are sorted by name, like those of a folder without cameras.

    Raises SampleError for a damaged file and for a lens with distortion.
    """
    sources = _model_files(folder)
    model, binary = sources[0].parent.relative_to(folder).as_posix(), sources[0].suffix == ".bin"
    try:
        cameras = dict((_binary_cameras if binary else _text_cameras)(sources[0], model))
        images = sorted((_binary_images if binary else _text_images)(sources[1]), key=lambda i: natural_key(i.name))
        pinholes = [cameras[image.camera] for image in images]
    except (struct.error, ValueError, KeyError, IndexError) as error:
        raise SampleError(f"{model}: damaged COLMAP model ({type(error).__name__}: {error})") from error
    if not images:
        raise SampleError(f"{model}: no images in this COLMAP model")
    under = "images/" if any((folder / "images" / image.name).is_file() for image in images) else ""
    paths = [under + image.name for image in images]
    return make_table(model, sources, paths, _w2c([image.pose for image in images]), pinholes)


def _model_files(folder: Path) -> tuple[Path, ...]:
    """The files with cameras and images, binary rather than text; empty where there is no model."""
    for model in _MODEL_FOLDERS:
        for suffix in (".bin", ".txt"):
            files = folder / model / f"cameras{suffix}", folder / model / f"images{suffix}"
            if all(file.is_file() for file in files):
                return files
    return ()


def _w2c(poses: list[tuple[float, ...]]) -> NDArray[np.float64]:
    """Rigid motions [N, 4, 4] from quaternions (w, x, y, z), of any length, and translations."""
    values = np.array(poses, np.float64)
    with np.errstate(all="ignore"):  # a quaternion of length 0 gives NaN, which `make_table` refuses
        w, x, y, z = (values[:, :4] / np.linalg.norm(values[:, :4], axis=1, keepdims=True)).T
    rows = rotation_entries(w, x, y, z)
    w2c = np.tile(np.eye(4), (len(poses), 1, 1))
    w2c[:, :3, :3] = np.stack([np.stack(row, axis=1) for row in rows], axis=1)
    w2c[:, :3, 3] = values[:, 4:]
    return w2c


def _pinhole(model: str, kind: str, width: int, height: int, parameters: tuple[float, ...]) -> Pinhole:
    count = _FOCAL_COUNTS.get(kind)
    if count is None or any(value != 0 for value in parameters[count + 2 :]):
        raise SampleError(f"{model}: camera model {kind} is distorted; run `colmap image_undistorter` first")
    fx, fy, cx, cy = parameters[0], parameters[count - 1], parameters[count], parameters[count + 1]
    return Pinhole(fx, fy, cx, cy, width, height)


class _Bytes:
    """Reads little-endian records from the start of a file to its end."""

    def __init__(self, path: Path) -> None:
        self._buffer, self._offset = path.read_bytes(), 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self._buffer, self._offset)
        self.skip(struct.calcsize("<" + layout))
        return values

    def skip(self, count: int) -> None:
        self._offset += count
        if self._offset > len(self._buffer):
            raise ValueError("truncated")

    def text(self) -> str:
        end = self._buffer.index(b"\0", self._offset)
        value = self._buffer[self._offset : end].decode()
        self._offset = end + 1
        return value


def _binary_cameras(path: Path, model: str) -> Iterator[tuple[int, Pinhole]]:
    data = _Bytes(path)
    for _ in range(data.take("Q")[0]):
        number, kind_number, width, height = data.take("iiQQ")
        kind, count = _NUMBERED_MODELS.get(kind_number, (f"number {kind_number}", 0))
        yield number, _pinhole(model, kind, width, height, data.take(f"{count}d"))


def _binary_images(path: Path) -> Iterator[_Image]:
    data = _Bytes(path)
    for _ in range(data.take("Q")[0]):
        _, *pose, camera = data.take("i7di")
        yield _Image(data.text(), camera, tuple(pose))
        data.skip(24 * data.take("Q")[0])  # x, y and point of each key point


def _text_cameras(path: Path, model: str) -> Iterator[tuple[int, Pinhole]]:
    for line in _lines(path):
        if line.strip():
            number, kind, width, height, *parameters = line.split()
            yield int(number), _pinhole(model, kind, int(width), int(height), tuple(map(float, parameters)))


def _text_images(path: Path) -> Iterator[_Image]:
    for line in _lines(path)[::2]:  # every other line lists key points, and may be empty
        if not line.strip():
            continue
        _, *pose, camera, name = line.split(maxsplit=9)
        yield _Image(name.strip(), int(camera), tuple(map(float, pose)))


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
