"""Preprocessing against Pillow, SciPy and the sizes that published codes print."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates

from evalkit.data.preprocess import adjust_intrinsics, apply, apply_nearest, plan
from evalkit.errors import SampleError
from evalkit.pixels import Preprocess, Profile


@pytest.mark.parametrize("size", [(640, 360), (960, 540)])
@pytest.mark.parametrize(
    ("profile", "resolution", "width", "x0"),
    [
        ("pixelsplat", 256, 455, 99),
        ("lvsm-p8", 256, 456, 100),
        ("lvsm-p16", 256, 448, 96),
        ("lvsm-p14", 224, 392, 84),
        ("erayzer-p16", 256, 448, 96),
        ("pensieve-bilinear", 256, 455, 99),
    ],
)
def test_wide_video_is_resized_to_the_published_width(
    size: tuple[int, int], profile: str, resolution: int, width: int, x0: int
) -> None:
    geometry = plan(*size, Preprocess(resolution, Profile(profile)))
    assert (geometry.width, geometry.height, geometry.x0, geometry.y0) == (width, resolution, x0, 0)


@pytest.mark.parametrize("profile", ["erayzer-demo", "xfactor-bilinear"])
def test_some_codes_crop_before_they_resize(profile: str) -> None:
    geometry = plan(640, 360, Preprocess(256, Profile(profile)))
    assert geometry.source == (140, 0, 360, 360)
    assert (geometry.width, geometry.height, geometry.x0, geometry.y0) == (256, 256, 0, 0)


@pytest.mark.parametrize("profile", ["lvsm-p8", "lvsm-p16", "lvsm-p14"])
def test_lvsm_code_cannot_make_a_square_of_a_portrait(profile: str) -> None:
    with pytest.raises(SampleError, match=r"360x640 becomes 1[0-9]+x256"):
        plan(360, 640, Preprocess(256, Profile(profile)))


def test_an_image_with_one_very_long_side_is_refused() -> None:
    with pytest.raises(SampleError, match="one side is more than 32 times the other"):
        plan(1, 80_000_000, Preprocess(256, Profile.PIXELSPLAT))


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (300, 300), (100, 80)])
def test_default_profile_is_two_lines_of_pillow(size: tuple[int, int]) -> None:
    image = _noise(*size)
    scale = 256 / min(size)
    small = image.resize((round(size[0] * scale), round(size[1] * scale)), Image.Resampling.LANCZOS)
    left, top = (small.width - 256) // 2, (small.height - 256) // 2
    expected = np.asarray(small.crop((left, top, left + 256, top + 256)), np.float32) / np.float32(255)
    square = apply(image, Preprocess(256, Profile.PIXELSPLAT))
    assert square.dtype == torch.float32 and square.is_contiguous()
    np.testing.assert_array_equal(square.permute(1, 2, 0).numpy(), expected)


def test_aligned_corners_agree_with_scipy() -> None:
    image = _noise(640, 360)
    pixels = np.asarray(image, np.float64)
    whole = _sample(pixels, np.linspace(0, 359, 256), np.linspace(0, 639, 455)[99:355])
    pensieve = apply(image, Preprocess(256, Profile.PENSIEVE_BILINEAR)).permute(1, 2, 0).numpy() * 255
    np.testing.assert_allclose(pensieve, whole, atol=0.02)
    cropped = _sample(pixels[:, 140:500], np.linspace(0, 359, 256), np.linspace(0, 359, 256))
    xfactor = apply(image, Preprocess(256, Profile.XFACTOR_BILINEAR)).permute(1, 2, 0).numpy() * 255
    shortfall = cropped - xfactor
    assert shortfall.min() > -1e-3 and shortfall.max() < 1 + 1e-3  # the fraction is cut off
    assert 0.4 < shortfall.mean() < 0.6


@pytest.mark.parametrize("profile", list(Profile))
def test_adjusted_intrinsics_project_to_where_the_pixels_went(profile: Profile) -> None:
    stored = torch.tensor([[500.0, 0, 320], [0, 480, 180], [0, 0, 1]], dtype=torch.float64)
    point = torch.tensor([0.21, -0.13, 1.5], dtype=torch.float64)
    x, y, _ = stored @ point / point[2]
    preprocess = Preprocess(256, profile)
    square = apply(_blob(640, 360, float(x), float(y)), preprocess)[0].double()
    moved = adjust_intrinsics(stored, plan(640, 360, preprocess)) @ point / point[2]
    centres = torch.arange(256, dtype=torch.float64) + 0.5
    spot_x = (square.sum(0) * centres).sum() / square.sum()
    spot_y = (square.sum(1) * centres).sum() / square.sum()
    assert (float(spot_x), float(spot_y)) == pytest.approx((float(moved[0]), float(moved[1])), abs=0.02)


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("resolution", [16, 64, 512])
def test_depth_is_taken_from_the_stored_pixel_that_each_centre_lies_in(profile: Profile, resolution: int) -> None:
    rows, columns = np.mgrid[:150, :200]
    preprocess, eye = Preprocess(resolution, profile), torch.eye(3, dtype=torch.float64)
    stored_from_square = torch.linalg.inv(adjust_intrinsics(eye, plan(200, 150, preprocess)))
    centres = torch.arange(resolution, dtype=torch.float64) + 0.5
    x = stored_from_square[0, 0] * centres + stored_from_square[0, 2]
    y = stored_from_square[1, 1] * centres + stored_from_square[1, 2]
    nearest_x = apply_nearest(columns, preprocess)
    nearest_y = apply_nearest(rows, preprocess)
    assert ((nearest_x + 0.5 - x).abs() < 0.5 + 1e-9).all()
    assert ((nearest_y + 0.5 - y[:, None]).abs() < 0.5 + 1e-9).all()


def _noise(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def _blob(width: int, height: int, x: float, y: float) -> NDArray[np.uint8]:
    """A bright spot whose centre of mass lies at (x, y), pixel centres at +0.5."""
    columns, rows = np.arange(width) + 0.5 - x, np.arange(height) + 0.5 - y
    spot = np.exp(-(columns[None] ** 2 + rows[:, None] ** 2) / (2 * 8.0**2))
    return np.repeat(np.rint(spot * 255).astype(np.uint8)[..., None], 3, axis=2)


def _sample(
    pixels: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    grid = np.meshgrid(rows, columns, indexing="ij")
    return np.stack([map_coordinates(pixels[..., c], grid, order=1) for c in range(3)], axis=-1)
