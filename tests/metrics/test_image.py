from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio

from evalkit.metrics.image import masked_psnr, psnr, ssim


def noisy_pair(count: int, height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=random)
    target = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    return (target + 0.1 * torch.randn(target.shape, generator=random)).clamp(0, 1), target


def scikit_ssim(pred: torch.Tensor, target: torch.Tensor, double: bool = True) -> np.ndarray:
    pairs = zip(pred.double() if double else pred, target.double() if double else target, strict=True)
    options = {"gaussian_weights": True, "win_size": 11, "channel_axis": 0, "data_range": 1.0}
    return np.array([structural_similarity(a.numpy(), b.numpy(), **options) for a, b in pairs])


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


@pytest.mark.parametrize("metric", [psnr, ssim])
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


def test_psnr_clamps_both_images() -> None:
    target = torch.rand(1, 3, 8, 8)
    beyond = torch.where(target > 0.5, 7.0, -3.0)
    torch.testing.assert_close(psnr(beyond, target), psnr(beyond.clamp(0, 1), target))
    torch.testing.assert_close(psnr(target, beyond), psnr(target, beyond.clamp(0, 1)))


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
    found = masked_psnr(pred, target, mask)
    torch.testing.assert_close(
        found[:2], torch.cat([psnr(pred[:1], target[:1]), psnr(pred[1:2, :, :8], target[1:2, :, :8])])
    )
    assert found[2].isnan()


def test_nan_pixels_are_refused() -> None:
    pred, target = noisy_pair(3, 16, 16)
    pred[2, 0, 5, 5] = torch.nan
    for metric in (psnr, ssim):
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
    for metric in (psnr, ssim):
        torch.testing.assert_close(metric(pred.cuda(), target.cuda()).cpu(), metric(pred, target), rtol=0, atol=1e-6)
