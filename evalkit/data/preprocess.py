"""Turn a stored image into the square of pixels that a protocol scores.

Each profile repeats what one published code does before its square centre crop, to the pixel. Profiles differ by up
to 2 % in horizontal scale, so scores under two profiles are not comparable (docs/data.md has the table).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling
from torch import Tensor
from torch.nn.functional import interpolate

from evalkit.errors import SampleError
from evalkit.pixels import Preprocess, Profile

Size = tuple[int, int]  # width, height

_MAX_ASPECT = 32  # a longer image would fill the memory when its short side is scaled up


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of the square come from.

    Attributes:
        source: box (left, top, width, height) of the stored image that is resized.
        width, height: its size after resizing.
        x0, y0: left top corner, in the resized image, of the square that is kept.
        align_corners: resizing maps the centres of corner pixels onto each other, not the borders of the image.
    """

    source: tuple[int, int, int, int]
    width: int
    height: int
    x0: int
    y0: int
    align_corners: bool = False


def plan(width: int, height: int, preprocess: Preprocess) -> Geometry:
    """Compute the geometry of preprocessing an image of this size.

    Raises SampleError where the resized image is smaller than the crop.

    >>> plan(640, 360, Preprocess(256, Profile.PIXELSPLAT))
    Geometry(source=(0, 0, 640, 360), width=455, height=256, x0=99, y0=0, align_corners=False)
    """
    recipe, side = _RECIPES[preprocess.profile], preprocess.resolution
    if recipe.crop_first:
        crop = min(width, height)
        source = (recipe.offset(width - crop), recipe.offset(height - crop), crop, crop)
        return Geometry(source, side, side, 0, 0, recipe.align_corners)
    new_width, new_height = recipe.size(width, height, side)
    if max(new_width, new_height) > _MAX_ASPECT * side:
        raise SampleError(f"{width}x{height}: one side is more than {_MAX_ASPECT} times the other")
    if min(new_width, new_height) < side:
        raise SampleError(
            f"{width}x{height} becomes {new_width}x{new_height} under profile {preprocess.profile}, too small for a "
            f"{side}x{side} crop; profile {Profile.PIXELSPLAT} fits every shape"
        )
    x0, y0 = recipe.offset(new_width - side), recipe.offset(new_height - side)
    return Geometry((0, 0, width, height), new_width, new_height, x0, y0, recipe.align_corners)


def apply(image: Image.Image | NDArray[np.uint8], preprocess: Preprocess) -> Tensor:
    """Preprocess an 8-bit RGB image, or array [H, W, 3]; returns float32 [3, R, R] in [0, 1].

    Raises SampleError as `plan` does.
    """
    stored = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    geometry = plan(stored.width, stored.height, preprocess)
    left, top, width, height = geometry.source
    if (width, height) != stored.size:
        stored = stored.crop((left, top, left + width, top + height))
    resized = _RECIPES[preprocess.profile].resample(stored, (geometry.width, geometry.height))
    rows = slice(geometry.y0, geometry.y0 + preprocess.resolution)
    columns = slice(geometry.x0, geometry.x0 + preprocess.resolution)
    return resized[:, rows, columns].contiguous()


def apply_nearest(values: NDArray[np.generic], preprocess: Preprocess) -> Tensor:
    """Preprocess depth or a mask [H, W] like its image; returns [R, R] of the same type.

    Each pixel takes the stored value nearest to its centre: depths are never mixed across an edge. Raises SampleError
    as `plan` does.
    """
    height, width = values.shape
    geometry = plan(width, height, preprocess)
    left, top, source_width, source_height = geometry.source
    side, corners = preprocess.resolution, geometry.align_corners
    columns = _nearest(side, left, source_width, geometry.width, geometry.x0, corners)
    rows = _nearest(side, top, source_height, geometry.height, geometry.y0, corners)
    return torch.from_numpy(values[rows[:, None], columns])


def adjust_intrinsics(intrinsics: Tensor, geometry: Geometry) -> Tensor:
    """Convert intrinsics [..., 3, 3] in pixels of the stored image to pixels of the square.

    They are scaled by the exact ratio of each axis (the two differ slightly where the width was rounded), then shifted
    by the crop. The centre of the top-left pixel is (0.5, 0.5) before and after.
    """
    left, top, width, height = geometry.source
    scale_x, shift_x = _axis(left, width, geometry.width, geometry.x0, geometry.align_corners)
    scale_y, shift_y = _axis(top, height, geometry.height, geometry.y0, geometry.align_corners)
    rows = [[scale_x, 0.0, shift_x], [0.0, scale_y, shift_y], [0.0, 0.0, 1.0]]
    return torch.tensor(rows, dtype=intrinsics.dtype, device=intrinsics.device) @ intrinsics


def _axis(start: int, length: int, new_length: int, crop: int, align_corners: bool) -> tuple[float, float]:
    """Scale and shift that map a coordinate of the stored image to the square: x_square = scale * x + shift."""
    if align_corners and length > 1:
        scale = (new_length - 1) / (length - 1)
        return scale, 0.5 - 0.5 * scale - start * scale - crop
    scale = new_length / length
    return scale, -start * scale - crop


def _nearest(side: int, start: int, length: int, new_length: int, crop: int, align_corners: bool) -> NDArray[np.int64]:
    """For each pixel of the square along one axis, the stored pixel that its centre lies in."""
    scale, shift = _axis(start, length, new_length, crop, align_corners)
    centres = (np.arange(side) + 0.5 - shift) / scale
    nearest: NDArray[np.int64] = np.floor(centres).astype(np.int64).clip(start, start + length - 1)
    return nearest


def _cover(width: int, height: int, side: int) -> Size:
    """pixelSplat src/dataset/shims/crop_shim.py, rescale_and_crop: both sides cover the crop."""
    scale = max(side / height, side / width)
    return round(width * scale), round(height * scale)


def _snap_width(width: int, height: int, side: int, *, patch: int) -> Size:
    """LVSM and RayZer, dataset_scene.py: height to the crop, width rounded to whole patches."""
    return round(int(side / height * width) / patch) * patch, side


def _floor_sides(width: int, height: int, side: int, *, patch: int) -> Size:
    """E-RayZer training/dl3dv_dataset.py: short side to the crop, both floored to whole patches."""
    new_width = int(width * (side / height)) if height < width else side
    new_height = side if height < width else int(height * (side / width))
    return new_width // patch * patch, new_height // patch * patch


def _to_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255


def _pillow(image: Image.Image, size: Size, *, kernel: Resampling) -> Tensor:
    return _to_tensor(image.resize(size, kernel))


def _bilinear_float(image: Image.Image, size: Size) -> Tensor:
    """Pensieve datasets/transforms.py: corners aligned, no antialiasing, not rounded to 8 bit."""
    shape = (size[1], size[0])
    return interpolate(_to_tensor(image)[None], shape, mode="bilinear", align_corners=True)[0]


def _bilinear_truncated(image: Image.Image, size: Size) -> Tensor:
    """XFactor data/video_dataset.py, center_crop_resize: corners aligned, no antialiasing, cast to 8 bit.

    The cast cuts off the fraction, so rounding errors are visible: sums have the published order and precision.
    """
    pixels = np.asarray(image)
    if image.size == size:
        return _to_tensor(image)
    low_x, high_x, weight_x = _neighbours(image.width, size[0])
    low_y, high_y, weight_y = _neighbours(image.height, size[1])
    weight_x, weight_y = weight_x[None, :, None], weight_y[:, None, None]
    rows = (1 - weight_x) * pixels[:, low_x] + weight_x * pixels[:, high_x]
    mixed = (1 - weight_y) * rows[low_y] + weight_y * rows[high_y]
    return torch.from_numpy(mixed.astype(np.uint8)).permute(2, 0, 1) / 255


def _neighbours(length: int, new_length: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    position = np.linspace(0, length - 1, new_length)
    low = np.floor(position).astype(np.int64)
    return low, np.minimum(low + 1, length - 1), position - low


def _floor_half(excess: int) -> int:
    return excess // 2


def _round_half(excess: int) -> int:
    """torchvision's center_crop: half a pixel is rounded to the even neighbour."""
    return round(excess / 2)


@dataclass(frozen=True)
class _Recipe:
    """One published way to make a square.

    Attributes:
        resample: resizes an image to (width, height); returns [3, height, width].
        size: (width, height, side of the square) of the stored image to its size after resizing.
        offset: number of excess pixels to the first pixel of the centre crop.
        crop_first: crop to a square before resizing.
        align_corners: see `Geometry`.
    """

    resample: Callable[[Image.Image, Size], Tensor]
    size: Callable[[int, int, int], Size] = _cover
    offset: Callable[[int], int] = _floor_half
    crop_first: bool = False
    align_corners: bool = False


_LANCZOS = partial(_pillow, kernel=Resampling.LANCZOS)
_RECIPES = {
    Profile.PIXELSPLAT: _Recipe(_LANCZOS),
    Profile.LVSM_P8: _Recipe(_LANCZOS, partial(_snap_width, patch=8)),
    Profile.LVSM_P16: _Recipe(_LANCZOS, partial(_snap_width, patch=16)),
    Profile.LVSM_P14: _Recipe(_LANCZOS, partial(_snap_width, patch=14)),
    Profile.ERAYZER_P16: _Recipe(_LANCZOS, partial(_floor_sides, patch=16)),
    Profile.ERAYZER_DEMO: _Recipe(partial(_pillow, kernel=Resampling.BICUBIC), offset=_round_half, crop_first=True),
    Profile.PENSIEVE_BILINEAR: _Recipe(_bilinear_float, align_corners=True),
    Profile.XFACTOR_BILINEAR: _Recipe(_bilinear_truncated, crop_first=True, align_corners=True),
}
