"""From a stored image to the pixels a protocol scores: part of the protocol's identity, hence named.

Each profile repeats what one published code does before its square centre crop, to the pixel. They differ by up
to 2 % in horizontal scale, so that scores under two profiles are not comparable (docs/data.md has the table).
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

__all__ = ["Geometry", "Preprocess", "Profile", "adjust_intrinsics", "apply", "plan"]

Size = tuple[int, int]  # width, height

_LONGEST = 32  # a longer strip would fill the memory when its short side is scaled up


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of the square come from.

    The ``source`` box (left, top, width, height) of the stored image is resized to ``width`` x ``height``, of which
    the square at (x0, y0) is kept. ``align_corners`` says that resizing maps corner pixel centres, rather than
    the image border, onto each other.
    """

    source: tuple[int, int, int, int]
    width: int
    height: int
    x0: int
    y0: int
    align_corners: bool = False


def plan(width: int, height: int, preprocess: Preprocess) -> Geometry:
    """Compute the geometry of preprocessing an image of this size.

    Raises SampleError where the profile leaves fewer pixels than the crop needs.

    >>> plan(640, 360, Preprocess(256, Profile.PIXELSPLAT))
    Geometry(source=(0, 0, 640, 360), width=455, height=256, x0=99, y0=0, align_corners=False)
    """
    recipe, side = _RECIPES[preprocess.profile], preprocess.resolution
    if recipe.crop_first:
        crop = min(width, height)
        source = (recipe.offset(width - crop), recipe.offset(height - crop), crop, crop)
        return Geometry(source, side, side, 0, 0, recipe.align_corners)
    new_width, new_height = recipe.size(width, height, side)
    if max(new_width, new_height) > _LONGEST * side:
        raise SampleError(f"{width}x{height} is a strip, more than {_LONGEST} times as long as wide")
    if min(new_width, new_height) < side:
        raise SampleError(
            f"{width}x{height} becomes {new_width}x{new_height} under profile {preprocess.profile}, too small for a "
            f"{side}x{side} crop; profile {Profile.PIXELSPLAT} serves every shape"
        )
    x0, y0 = recipe.offset(new_width - side), recipe.offset(new_height - side)
    return Geometry((0, 0, width, height), new_width, new_height, x0, y0, recipe.align_corners)


def apply(image: Image.Image | NDArray[np.uint8], preprocess: Preprocess) -> Tensor:
    """Preprocess an 8-bit RGB image (or array [H, W, 3]), giving float32 [3, R, R] in [0, 1].

    Raises SampleError as `plan` does.
    """
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    geometry = plan(picture.width, picture.height, preprocess)
    left, top, width, height = geometry.source
    if (width, height) != picture.size:
        picture = picture.crop((left, top, left + width, top + height))
    resized = _RECIPES[preprocess.profile].resample(picture, (geometry.width, geometry.height))
    rows = slice(geometry.y0, geometry.y0 + preprocess.resolution)
    columns = slice(geometry.x0, geometry.x0 + preprocess.resolution)
    return resized[:, rows, columns].contiguous()


def adjust_intrinsics(intrinsics: Tensor, geometry: Geometry) -> Tensor:
    """Move intrinsics [..., 3, 3] of the stored image, in pixels, to the square that is kept.

    Scaled by the true ratios, of which horizontal and vertical differ slightly where the width was rounded, then
    shifted by the crop. The centre of the top-left pixel is (0.5, 0.5) before and after.
    """
    left, top, width, height = geometry.source
    scale_x, shift_x = _axis(left, width, geometry.width, geometry.x0, geometry.align_corners)
    scale_y, shift_y = _axis(top, height, geometry.height, geometry.y0, geometry.align_corners)
    rows = [[scale_x, 0.0, shift_x], [0.0, scale_y, shift_y], [0.0, 0.0, 1.0]]
    return torch.tensor(rows, dtype=intrinsics.dtype, device=intrinsics.device) @ intrinsics


def _axis(start: int, length: int, new_length: int, crop: int, align_corners: bool) -> tuple[float, float]:
    """Scale and shift that take a coordinate of the stored image to the square."""
    if align_corners and length > 1:
        scale = (new_length - 1) / (length - 1)
        return scale, 0.5 - 0.5 * scale - start * scale - crop
    scale = new_length / length
    return scale, -start * scale - crop


def _cover(width: int, height: int, side: int) -> Size:
    """pixelSplat src/dataset/shims/crop_shim.py, rescale_and_crop: both sides cover the crop."""
    scale = max(side / height, side / width)
    return round(width * scale), round(height * scale)


def _snap_width(width: int, height: int, side: int, *, patch: int) -> Size:
    """LVSM and RayZer, dataset_scene.py: height to the crop, width rounded to whole patches."""
    return round(int(side / height * width) / patch) * patch, side


def _floor_sides(width: int, height: int, side: int, *, patch: int) -> Size:
    """E-RayZer training/dl3dv_dataset.py: short side to the crop, both floored to whole patches."""
    across = int(width * (side / height)) if height < width else side
    down = side if height < width else int(height * (side / width))
    return across // patch * patch, down // patch * patch


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

    The cast cuts off the fraction, so rounding errors show: order and precision of the sums are the published ones.
    """
    pixels = np.asarray(image)
    if image.size == size:
        return _to_tensor(image)
    low_x, high_x, weight_x = _neighbours(image.width, size[0])
    low_y, high_y, weight_y = _neighbours(image.height, size[1])
    right = weight_x[None, :, None]
    across = (1 - right) * pixels[:, low_x] + right * pixels[:, high_x]
    down = weight_y[:, None, None]
    mixed = (1 - down) * across[low_y] + down * across[high_y]
    return torch.from_numpy(mixed.astype(np.uint8)).permute(2, 0, 1) / 255


def _neighbours(length: int, new_length: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    position = np.linspace(0, length - 1, new_length)
    low = np.floor(position).astype(np.int64)
    return low, np.minimum(low + 1, length - 1), position - low


def _floor_half(excess: int) -> int:
    return excess // 2


def _round_half(excess: int) -> int:
    """torchvision's center_crop: half a pixel goes to the even neighbour."""
    return round(excess / 2)


@dataclass(frozen=True)
class _Recipe:
    """One published way: the size after resizing, how to resample, where the centre crop lies and when."""

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
