"""Find and read the camera file of a folder of images, in any of three formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evalkit.data.stored.camera_files import colmap, opencv, transforms
from evalkit.data.stored.camera_files.table import CameraTable
from evalkit.errors import SampleError

_FORMATS = (opencv, transforms, colmap)  # in order of precedence


def has_cameras(folder: Path) -> bool:
    """Whether a folder has a camera file, readable or not."""
    return _reader(folder) is not None


def find_cameras(folder: Path) -> CameraTable | None:
    """Read the cameras of a folder, or None where it has no camera file.

    Where there are several, opencv_cameras.json is read before transforms.json, and that before a COLMAP model. Raises
    SampleError ``file: reason`` where the file is damaged, describes no pinhole, or names files outside the folder.
    """
    read = _reader(folder)
    try:
        return None if read is None else read(folder)
    except OSError as error:
        raise SampleError(f"{Path(error.filename).name}: {error.strerror}") from error


def _reader(folder: Path) -> Callable[[Path], CameraTable] | None:
    return next((camera_format.read for camera_format in _FORMATS if camera_format.present(folder)), None)
