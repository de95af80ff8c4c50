"""How close two images are, pixel by pixel: PSNR and SSIM, one value an image.

All functions take images [N, 3, H, W] in [0, 1] on any device and return float64 [N] there. A value does not
depend on the other images of its batch. A NaN pixel is an error, never a score: targets that a protocol hides are
NaN, and must not be compared by accident.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from evalkit.metrics.checks import check_pair, refuse_nan
from evalkit.metrics.lpips import lpips as lpips

_TAPS = 11
_BORDER = _TAPS // 2
_TILE_HEIGHT, _TILE_WIDTH = 31, 62  # output pixels; with _CHUNK images a tile's maps stay in the cache of a core
_CHUNK = 4  # images at a time on the CPU


def psnr(pred: Tensor, target: Tensor, min_mse: float = 0.0) -> Tensor:
    """Peak signal-to-noise ratio in dB, -10 log10(MSE), of [N, 3, H, W] -> [N].

    Both images are clamped to [0, 1]; the mean is over C, H, W of each image. Identical images give ``inf``
    unless the error has a floor: 1e-8 in E-RayZer's code, 1e-10 in WildRayZer's, none in RayZer's, LVSM's and
    pixelSplat's. Raises ValueError on shapes that differ, integer images, and NaN.

    >>> psnr(torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 8, 8), 0.6)).round(decimals=4).tolist()
    [20.0]
    """
    check_pair(pred, target)
    return _decibel(_by_chunks(_mse_of_chunk, pred, target), min_mse)


def masked_psnr(pred: Tensor, target: Tensor, mask: Tensor, min_mse: float = 0.0) -> Tensor:
    """PSNR over the pixels where ``mask`` [N, H, W] (bool) holds, [N]; NaN for an image whose mask is empty.

    Pixels outside the mask do not count, whatever they hold. Otherwise as `psnr`.
    """
    check_pair(pred, target)
    if mask.dtype != torch.bool or mask.shape != (pred.shape[0], *pred.shape[2:]):
        raise ValueError(
            f"mask must be bool [N, H, W] = {[pred.shape[0], *pred.shape[2:]]}, got {mask.dtype} {list(mask.shape)}"
        )
    error = _squared_error(_wide(pred), _wide(target)).mean(1, dtype=torch.float64)
    total = torch.where(mask, error, 0.0).sum((1, 2))
    return _decibel(refuse_nan(total) / mask.sum((1, 2)), min_mse)


def ssim(pred: Tensor, target: Tensor) -> Tensor:
    """Structural similarity in [-1, 1] of [N, 3, H, W] -> [N] (Wang et al. 2004, eq. 13).

    Gaussian window of 11 taps, sigma 1.5; sample covariance (121/120); data range 1; the mean leaves out a border
    of 5 pixels, so that no padding is ever seen. Equal to scikit-image's ``structural_similarity(...,
    gaussian_weights=True, win_size=11, channel_axis=0, data_range=1)``, which RayZer, LVSM and pixelSplat use.
    torchmetrics differs by +0.0003 (population covariance). Images are not clamped. Raises ValueError as `psnr`
    does, and for images smaller than 11 pixels.

    >>> image = torch.linspace(0, 1, 3 * 16 * 16).reshape(1, 3, 16, 16)
    >>> ssim(image, image).tolist()
    [1.0]
    """
    check_pair(pred, target)
    if min(pred.shape[-2:]) < _TAPS:
        raise ValueError(f"SSIM needs images of at least 11x11 pixels, got {list(pred.shape)}")
    return _by_chunks(_ssim_of_chunk, pred, target)


def _ssim_of_chunk(pred: Tensor, target: Tensor) -> Tensor:
    """Sum the SSIM map tile by tile, then divide; the last tiles start early and count only what is new.

    float64 because E[s^2] - E[s]^2 cancels: in float32 it would move near-constant images by 1e-5.
    """
    count, channels = pred.shape[:2]
    a, b = (images.flatten(0, 1).movedim(0, 1) for images in (pred, target))  # [H, N C, W]
    height, width = a.shape[0] - 2 * _BORDER, a.shape[2] - 2 * _BORDER
    tall, wide = min(_TILE_HEIGHT, height), min(_TILE_WIDTH, width)
    down, across = _window(tall, a.device).mT.contiguous(), _window(wide, a.device)
    maps = down.new_empty(tall + 2 * _BORDER, 4, count * channels, wide + 2 * _BORDER)  # one for all tiles:
    filtered = down.new_empty(tall * 4 * count * channels, wide)  # fresh memory costs more than the arithmetic
    total = down.new_zeros(count * channels)
    for row in range(0, height, tall):
        for column in range(0, width, wide):
            top, left = min(row, height - tall), min(column, width - wide)
            tile = (slice(top, top + tall + 2 * _BORDER), slice(None), slice(left, left + wide + 2 * _BORDER))
            _sum_and_difference(a[tile], b[tile], maps)
            torch.mm((down @ maps.flatten(1)).view(-1, wide + 2 * _BORDER), across, out=filtered)
            similarity = _similarity(filtered.view(tall, 4, -1, wide))
            total += similarity[row - top :, :, column - left :].sum((0, 2))
    return total.view(count, channels).sum(1) / (channels * height * width)


def _sum_and_difference(a: Tensor, b: Tensor, maps: Tensor) -> None:
    """Write s = a + b, d = a - b, s^2 and d^2 of [H, M, W] into ``maps`` [H, 4, M, W].

    SSIM needs var(a) + var(b) and cov(a, b) only, and those follow from s and d: 2 (var a + var b) = var s + var d,
    4 cov = var s - var d. So four maps are filtered instead of five.
    """
    torch.add(a, b, out=maps[:, 0])
    torch.sub(a, b, out=maps[:, 1])
    torch.mul(maps[:, :2], maps[:, :2], out=maps[:, 2:])


def _similarity(filtered: Tensor) -> Tensor:
    """SSIM [H, M, W] from the filtered maps [H, 4, M, W], which are overwritten."""
    mean_s, mean_d, var_s, var_d = filtered.unbind(1)
    filtered[:, :2].square_()
    filtered[:, 2:].sub_(filtered[:, :2]).mul_(121 / 120)
    numerator = (mean_s - mean_d).add_(2e-4).mul_((var_s - var_d).add_(18e-4))
    return numerator.div_(mean_s.add_(mean_d).add_(2e-4).mul_(var_s.add_(var_d).add_(18e-4)))


def _window(size: int, device: torch.device) -> Tensor:
    """Band matrix [size + 10, size]: multiplying by it filters with the Gaussian, valid positions only."""
    taps = torch.exp(-0.5 * ((torch.arange(_TAPS, dtype=torch.float64, device=device) - _BORDER) / 1.5) ** 2)
    offset = torch.arange(size + 2 * _BORDER, device=device)[:, None] - torch.arange(size, device=device)
    inside = (offset >= 0) & (offset < _TAPS)
    return torch.where(inside, (taps / taps.sum())[offset.clamp(0, _TAPS - 1)], 0.0)


def _squared_error(pred: Tensor, target: Tensor) -> Tensor:
    return (pred.clamp(0, 1) - target.clamp(0, 1)).square_()


def _mse_of_chunk(pred: Tensor, target: Tensor) -> Tensor:
    return _squared_error(pred, target).mean((1, 2, 3), dtype=torch.float64)


def _decibel(mse: Tensor, min_mse: float) -> Tensor:
    return -10 * torch.log10(mse.clamp_min(min_mse))


def _by_chunks(function: Callable[[Tensor, Tensor], Tensor], pred: Tensor, target: Tensor) -> Tensor:
    """Apply a function of images [n, 3, H, W] -> [n] to a few at a time, and refuse NaN results.

    A NaN pixel makes the result NaN, so looking at one number an image is enough.
    """
    size = _CHUNK if pred.device.type == "cpu" else 32 * _CHUNK
    parts = zip(torch.split(pred, size), torch.split(target, size), strict=True)
    return refuse_nan(torch.cat([function(_wide(a), _wide(b)) for a, b in parts]))


def _wide(images: Tensor) -> Tensor:
    """At least float32: half precision has no room for a squared difference."""
    return images if images.dtype == torch.float64 else images.float()
