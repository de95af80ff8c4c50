from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure
from torchvision.utils import save_image

from evalkit.metrics.image import masked_psnr, mse, psnr, quantised, ssim

OF_SCIPY = {"reflect": "reflect", "mirror": "mirror", "zeros": "constant"}  # border -> mode of its filters


def noisy_pair(count: int, height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=rng)
    target = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    return (target + 0.1 * torch.randn(target.shape, generator=rng)).clamp(0, 1), target


def scikit_ssim(pred: torch.Tensor, target: torch.Tensor, double: bool = True) -> np.ndarray:
    pairs = zip(pred.double() if double else pred, target.double() if double else target, strict=True)
    options = {"gaussian_weights": True, "win_size": 11, "channel_axis": 0, "data_range": 1.0}
    return np.array([structural_similarity(a.numpy(), b.numpy(), **options) for a, b in pairs])


def scikit_means(pred: torch.Tensor, target: torch.Tensor, covariance: str) -> tuple[np.ndarray, np.ndarray]:
    """Means over the cropped and over the full map of scikit-image."""
    options = {"gaussian_weights": True, "win_size": 11, "channel_axis": 0, "data_range": 1.0, "full": True}
    options["use_sample_covariance"] = covariance == "sample"
    pairs = zip(pred.double().numpy(), target.double().numpy(), strict=True)
    maps = [structural_similarity(a, b, **options) for a, b in pairs]
    return np.array([mean for mean, _ in maps]), np.array([full.mean() for _, full in maps])


def scipy_ssim(pred: torch.Tensor, target: torch.Tensor, covariance: str, border: str) -> np.ndarray:
    """Wang et al. 2004, eq. 13, with scipy's Gaussian filter."""
    x, y = pred.double().numpy(), target.double().numpy()
    mean = partial(gaussian_filter, sigma=(0, 0, 1.5, 1.5), truncate=3.5, mode=OF_SCIPY[border])
    factor = 121 / 120 if covariance == "sample" else 1.0
    mx, my = mean(x), mean(y)
    vx, vy, cov = (factor * (mean(a) - b) for a, b in ((x * x, mx * mx), (y * y, my * my), (x * y, mx * my)))
    similarity = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    return similarity.mean((1, 2, 3))


@pytest.mark.parametrize("size", [(11, 11), (11, 64), (72, 135), (73, 72), (256, 256)])
def test_ssim_equals_scikit_image(size: tuple[int, int]) -> None:
    pred, target = noisy_pair(2, *size)
    assert np.abs(ssim(pred, target).numpy() - scikit_ssim(pred, target)).max() < 1e-6
    assert np.abs(ssim(pred, target).numpy() - scikit_ssim(pred, target, double=False)).max() < 1e-6


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(11, 90), st.integers(11, 90))
def test_ssim_equals_scikit_image_at_any_size(seed: int, height: int, width: int) -> None:
    pred, target = noisy_pair(2, height, width, seed)
    assert np.abs(ssim(pred, target).numpy() - scikit_ssim(pred, target)).max() < 1e-6


@pytest.mark.parametrize("level", [0.0, 0.5, 0.9, 1.0])
def test_ssim_of_almost_constant_images_does_not_cancel(level: float) -> None:
    # float32 moments err by 6e-8 here, which is 1e-4 of the constant C2 that they are added to
    pred, target = (level + 1e-4 * (image - 0.5) for image in noisy_pair(3, 64, 64))
    assert np.abs(ssim(pred, target).numpy() - scikit_ssim(pred, target)).max() < 1e-6


def test_ssim_of_flat_regions_at_different_levels_does_not_cancel() -> None:
    target = torch.tensor([0.1, 0.9]).repeat(8).repeat_interleave(16).expand(1, 3, 256, 256).contiguous()
    pred = target + 1e-3 * torch.randn(target.shape, generator=torch.Generator().manual_seed(1))
    assert np.abs(ssim(pred, target).numpy() - scikit_ssim(pred, target)).max() < 1e-6


@pytest.mark.parametrize("covariance", ["sample", "population"])
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(11, 90), st.integers(11, 90))
def test_ssim_covariances_and_borders_equal_scikit_image(covariance, seed: int, height: int, width: int) -> None:
    pred, target = noisy_pair(2, height, width, seed)
    cropped, full = scikit_means(pred, target, covariance)
    assert np.abs(ssim(pred, target, covariance, "crop").numpy() - cropped).max() < 1e-6
    assert np.abs(ssim(pred, target, covariance, "reflect").numpy() - full).max() < 1e-6


@pytest.mark.parametrize("covariance", ["sample", "population"])
@pytest.mark.parametrize("border", OF_SCIPY)
@pytest.mark.parametrize("contrast", [1.0, 1e-4])
def test_ssim_with_any_border_equals_its_definition(covariance, border, contrast: float) -> None:
    pred, target = (0.5 + contrast * (image - 0.5) for image in noisy_pair(3, 73, 140))
    similarity = ssim(pred, target, covariance, border).numpy()
    assert np.abs(similarity - scipy_ssim(pred, target, covariance, border)).max() < 1e-6


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(11, 90), st.integers(11, 90))
def test_ssim_with_population_covariance_equals_torchmetrics(seed: int, height: int, width: int) -> None:
    pred, target = noisy_pair(2, height, width, seed)
    mean, full = structural_similarity_index_measure(
        pred.double(), target.double(), data_range=1.0, reduction="none", return_full_image=True
    )
    assert (ssim(pred, target, "population", "mirror") - mean).abs().max() < 1e-6
    cropped = full[..., 5 : height - 5, 5 : width - 5].mean((1, 2, 3))  # what its versions before 1.4.2 return
    assert (ssim(pred, target, "population", "crop") - cropped).abs().max() < 1e-6


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1))
def test_population_covariance_never_lowers_ssim_nor_lifts_it_by_much(seed: int, share: float) -> None:
    pred, target = noisy_pair(2, 24, 24, seed)
    pred = share * pred + (1 - share) * (1 - target)
    lift = ssim(pred, target, "population") - ssim(pred, target)
    # (f a + C) / (f b + C) with |a| <= b falls in f, and from f = 1 to 121/120 by no more than ln(121/120) / 2
    assert lift.min() > -1e-12 and lift.max() < math.log(121 / 120) / 2


@pytest.mark.parametrize("metric", [psnr, mse, ssim, partial(ssim, border="reflect")])
def test_a_score_does_not_depend_on_its_batch(metric) -> None:
    pred, target = noisy_pair(19, 48, 80)
    alone = torch.cat([metric(a[None], b[None]) for a, b in zip(pred, target, strict=True)])
    torch.testing.assert_close(metric(pred, target), alone, rtol=0, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_psnr_equals_torchmetrics(seed: int) -> None:
    pred, target = noisy_pair(2, 16, 24, seed)
    expected = [
        peak_signal_noise_ratio(a, b, data_range=1.0) for a, b in zip(pred.double(), target.double(), strict=True)
    ]
    torch.testing.assert_close(psnr(pred, target), torch.stack(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "metric", [psnr, mse, ssim, partial(masked_psnr, mask=torch.ones(1, 16, 16, dtype=torch.bool))]
)
def test_values_outside_0_to_1_are_refused_but_for_rounding(
    metric: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> None:
    image = torch.rand(1, 3, 16, 16)
    for pair in ((255 * image, image), (image, 255 * image)):
        with pytest.raises(ValueError, match=r"from \d\.?\d* to 25\d: divide them by 255"):
            metric(*pair)
    with pytest.raises(ValueError, match=r"got values from -\d"):
        metric(2 * image - 1, image)
    metric(image + 5e-4, image - 5e-4)


def test_pixels_outside_a_mask_may_have_any_value() -> None:
    image, mask = torch.rand(1, 3, 16, 16), torch.rand(1, 16, 16) > 0.5
    masked = torch.where(mask[:, None], image, 300.0)
    assert masked_psnr(masked, image, mask, min_mse=1e-10).item() == pytest.approx(100)


def test_ssim_says_that_it_has_no_gradient() -> None:
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    with pytest.raises(ValueError, match="no gradient here"):
        ssim(image, image.detach())
    with torch.no_grad():
        assert ssim(image, image).item() == pytest.approx(1)


def test_identical_images_reach_the_floor_of_published_code() -> None:
    image = torch.rand(1, 3, 8, 8)
    assert psnr(image, image).item() == float("inf")
    assert psnr(image, image, min_mse=1e-8).item() == pytest.approx(80)  # E-RayZer
    assert psnr(image, image, min_mse=1e-10).item() == pytest.approx(100)  # WildRayZer


def test_masked_psnr_ignores_the_other_pixels() -> None:
    pred, target = noisy_pair(3, 16, 16)
    mask = torch.zeros(3, 16, 16, dtype=torch.bool)
    mask[0] = True
    mask[1, :8] = True
    pred[1, :, 8:] = torch.nan
    values = masked_psnr(pred, target, mask)
    torch.testing.assert_close(
        values[:2], torch.cat([psnr(pred[:1], target[:1]), psnr(pred[1:2, :, :8], target[1:2, :, :8])])
    )
    assert values[2].isnan()


def test_an_error_divided_by_all_pixels_is_that_of_images_with_equal_backgrounds() -> None:
    pred, target = noisy_pair(3, 16, 16)
    mask = torch.zeros(3, 16, 16, dtype=torch.bool)
    mask[0] = True
    mask[1, 4:8, 4:8] = True
    over_all = masked_psnr(pred, target, mask, over="all")
    pasted = torch.where(mask[:, None], pred, target)
    torch.testing.assert_close(over_all[:2], psnr(pasted, target)[:2], rtol=0, atol=1e-5)
    lift = over_all - masked_psnr(pred, target, mask)
    torch.testing.assert_close(lift[:2], torch.tensor([0.0, 10 * math.log10(16)]).double())
    assert over_all[2].isnan()  # nothing was compared


@pytest.mark.parametrize("rounding", ["floor", "round"])
def test_quantised_images_are_what_png_files_give_back(rounding) -> None:
    images = torch.cat([noisy_pair(2, 24, 40)[0], torch.full((1, 3, 24, 40), 0.5)])

    def reread(image: torch.Tensor) -> torch.Tensor:
        file = BytesIO()
        if rounding == "round":
            save_image(image, file, format="png")
        else:
            Image.fromarray((255 * image).permute(1, 2, 0).numpy().astype(np.uint8)).save(file, "png")
        return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) / 255

    assert torch.equal(quantised(images, rounding), torch.stack([reread(image) for image in images]))


@pytest.mark.parametrize("rounding", ["floor", "round"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_from_eight_bits_survive_eight_bits_and_hidden_pixels_stay_hidden(rounding, dtype) -> None:
    levels = torch.arange(256, dtype=dtype) / 255
    assert torch.equal(quantised(levels, rounding), levels)
    assert quantised(torch.tensor([torch.nan, -0.5, 1.5]), rounding).nan_to_num(7).tolist() == [7, 0, 1]


@pytest.mark.parametrize(
    ("decibel", "floor", "round_"), [(24.4, -0.007, -0.002), (26.3, -0.010, -0.002), (31.5, -0.033, -0.008)]
)
def test_eight_bit_files_cost_what_was_measured(decibel: float, floor: float, round_: float) -> None:
    rng = torch.Generator().manual_seed(0)
    target = torch.randint(80, 176, (8, 3, 256, 256), generator=rng) / 255
    noise = torch.randn(target.shape, generator=rng)
    error = 10 ** (-decibel / 20)
    pred = target + error * noise
    for rounding, measured, variance in (("floor", floor, 1 / 3), ("round", round_, 1 / 12)):
        cost = (psnr(quantised(pred, rounding), target) - psnr(pred, target)).mean().item()
        assert cost == pytest.approx(measured, abs=0.0025)
        assert cost == pytest.approx(-10 * math.log10(1 + variance / (255 * error) ** 2), abs=0.001)


def test_nan_pixels_are_refused() -> None:
    pred, target = noisy_pair(3, 16, 16)
    pred[2, 0, 5, 5] = torch.nan
    for metric in (psnr, mse, *(partial(ssim, border=border) for border in ("crop", *OF_SCIPY))):
        with pytest.raises(ValueError, match=r"NaN pixels .* images \[2\]"):
            metric(pred, target)
    with pytest.raises(ValueError, match="NaN"):
        masked_psnr(pred, target, torch.ones(3, 16, 16, dtype=torch.bool))


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_wrong_shapes_and_types_are_refused(metric) -> None:
    image = torch.rand(2, 3, 16, 16)
    for pred, target in ((image, image[:1]), (image[0], image[0]), (image[:, :1], image[:, :1])):
        with pytest.raises(ValueError, match=r"\[N, 3, H, W\]"):
            metric(pred, target)
    with pytest.raises(ValueError, match="floating point"):
        metric((image * 255).byte(), (image * 255).byte())
    with pytest.raises(ValueError, match="11x11"):
        ssim(image[..., :10], image[..., :10])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_scores_do_not_depend_on_the_device() -> None:
    pred, target = noisy_pair(5, 100, 90)
    for metric in (psnr, ssim, *(partial(ssim, border=border) for border in OF_SCIPY)):
        torch.testing.assert_close(metric(pred.cuda(), target.cuda()).cpu(), metric(pred, target), rtol=0, atol=1e-6)
