"""PSNR and SSIM: one value per image.

All metrics take images [N, 3, H, W] in [0, 1] on any device and return float64 [N] on that device. A value does not
depend on the other images of its batch. A NaN pixel raises an error: the targets that a protocol hides are NaN and must
not be compared by accident. Where published code computes something else, it is an argument here and a metric with a
name of its own in `evalkit.metrics.catalogue`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from evalkit.metrics.checks import check_pair, refuse_nan

Rounding = Literal["floor", "round", "half_even"]
Over = Literal["mask", "all"]
Covariance = Literal["sample", "population"]
Border = Literal["crop", "reflect", "mirror", "zeros"]

_TAPS = 11
_BORDER = _TAPS // 2
_TILE_HEIGHT, _TILE_WIDTH = 31, 62  # output pixels; with _CHUNK images the maps of a tile fit into the cache of a core
_CHUNK = 4  # images at a time on the CPU
_COVARIANCE = {"sample": _TAPS**2 / (_TAPS**2 - 1), "population": 1.0}
_ADDED_BEFORE_FLOOR = {"floor": 0.0, "round": 0.5}


def mse(pred: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error over C, H, W of images [N, 3, H, W] -> [N].

    Pooled PSNR is -10 log10 of its mean over all images; it is at most the mean of their PSNRs. Raises as `psnr`.

    >>> both = mse(torch.tensor([0.6, 0.51]).reshape(2, 1, 1, 1).expand(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.5))
    >>> (-10 * both.log10()).mean().round(decimals=4).item(), (-10 * both.mean().log10()).round(decimals=4).item()
    (30.0, 22.9671)
    """
    check_pair(pred, target)
    return _by_chunks(_mse_of_chunk, pred, target)


def psnr(pred: Tensor, target: Tensor, min_mse: float = 0.0) -> Tensor:
    """Return the peak signal-to-noise ratio in dB, -10 log10(MSE), of images [N, 3, H, W] -> [N]; see `mse`.

    Args:
        pred, target: images [N, 3, H, W] in [0, 1]; what lies outside by rounding is clamped.
        min_mse: smallest mean squared error; without it identical images give ``inf``. 1e-8 in E-RayZer's code, 1e-10
            in WildRayZer's, 0 in RayZer's, LVSM's and pixelSplat's.

    Raises:
        ValueError: for shapes that differ, integer images, NaN, and values outside [0, 1] by more than rounding.

    >>> psnr(torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 8, 8), 0.6)).round(decimals=4).tolist()
    [20.0]
    """
    return _decibel(mse(pred, target), min_mse)


def masked_psnr(pred: Tensor, target: Tensor, mask: Tensor, min_mse: float = 0.0, over: Over = "mask") -> Tensor:
    """Return the PSNR over the pixels where ``mask`` is true, [N]; NaN for an image whose mask is empty.

    Otherwise as `psnr`.

    Args:
        pred, target: images [N, 3, H, W]. Pixels outside the mask do not count, whatever their value.
        mask: bool [N, H, W].
        min_mse: as in `psnr`.
        over: "mask" divides the squared error by the pixels of the mask. "all" divides it by all pixels, as code does
            that makes the background equal in both images: higher by -10 log10 of the mask's share of the image.
    """
    if mask.dtype != torch.bool or mask.shape != (pred.shape[0], *pred.shape[2:]):
        raise ValueError(
            f"mask must be bool [N, H, W] = {[pred.shape[0], *pred.shape[2:]]}, got {mask.dtype} {list(mask.shape)}"
        )
    check_pair(pred, target, mask)
    error = _squared_error(_wide(pred), _wide(target)).mean(1, dtype=torch.float64)
    total = torch.where(mask, error, 0.0).sum((1, 2))
    inside = mask.sum((1, 2))
    counted = inside if over == "mask" else torch.where(inside > 0, mask.shape[1] * mask.shape[2], 0)
    return _decibel(refuse_nan(total) / counted, min_mse)


def quantised(images: Tensor, rounding: Rounding) -> Tensor:
    """Return images of any shape as they are read back from 8-bit PNGs: clamped to [0, 1], in steps of 1/255.

    ``floor`` is ``(255 x).astype(uint8)`` (pixelSplat, RayZer's pictures), ``round`` is torchvision's ``save_image``.
    Images that come from 8 bits do not change; NaN stays NaN. Where errors are independent of the rounding, the mean
    squared error grows by 1 / (3 255^2) with ``floor`` and by 1 / (12 255^2) with ``round``.

    >>> (255 * quantised(torch.tensor([-1.0, 0.7 / 255, 1.2 / 255, 2.0]), "round")).tolist()
    [0.0, 1.0, 1.0, 255.0]
    """
    return levels(images, rounding) / 255


def levels(images: Tensor, rounding: Rounding) -> Tensor:
    """Return the 8-bit levels, whole numbers 0 to 255 as floats, of images in [0, 1] of any shape; NaN stays NaN.

    ``floor`` and ``round`` as in `quantised`; ``half_even`` as ``torch.round`` and numpy, which differ from ``round``
    where a value is exactly between two levels.
    """
    scaled = 255 * _wide(images).clamp(0, 1)
    return scaled.round() if rounding == "half_even" else (scaled + _ADDED_BEFORE_FLOOR[rounding]).floor()


def psnr_of_saved(pred: Tensor, target: Tensor, rounding: Rounding, min_mse: float = 0.0) -> Tensor:
    """Return the PSNR of renders that were saved as 8-bit PNGs and read back, see `quantised`; otherwise as `psnr`.

    Only renders are quantised: targets come from 8 bits and would not change.
    """
    return psnr(quantised(pred, rounding), target, min_mse)


def ssim(pred: Tensor, target: Tensor, covariance: Covariance = "sample", border: Border = "crop") -> Tensor:
    """Return the structural similarity in [-1, 1] of images [N, 3, H, W] -> [N].

    Gaussian window of 11 taps, sigma 1.5; data range 1; mean over channels. The defaults equal
    scikit-image's ``structural_similarity(..., gaussian_weights=True, win_size=11, channel_axis=0, data_range=1)`` to
    1e-6, which RayZer, LVSM and pixelSplat use.

    Args:
        pred, target: images [N, 3, H, W], at least 11x11 pixels.
        covariance: "sample" multiplies covariances by 121/120; "population" does not.
        border: "crop" leaves out 5 pixels on each side, so that no padding is used. The others average over the whole
            image: "reflect" pads with the edge pixel repeated (scikit-image's full map), "mirror" pads without
            repeating it (torchmetrics), "zeros" pads with black (pytorch_ssim).

    Raises:
        ValueError: as `psnr`, for images smaller than 11 pixels, and for images that a gradient is asked of.

    Source: Wang et al. 2004, eq. 13.

    >>> image = torch.linspace(0, 1, 3 * 16 * 16).reshape(1, 3, 16, 16)
    >>> ssim(image, image).tolist()
    [1.0]
    """
    check_pair(pred, target)
    if min(pred.shape[-2:]) < _TAPS:
        raise ValueError(f"SSIM needs images of at least 11x11 pixels, got {list(pred.shape)}")
    if torch.is_grad_enabled() and (pred.requires_grad or target.requires_grad):
        raise ValueError("SSIM is computed in place and has no gradient here: pass images.detach()")
    return _by_chunks(partial(_ssim_of_chunk, _COVARIANCE[covariance], border), pred, target)


def _ssim_of_chunk(factor: float, border: Border, pred: Tensor, target: Tensor) -> Tensor:
    """Return the mean of the SSIM map, [n] of images [n, 3, H, W], summed tile by tile.

    The last tile of a row or column overlaps the one before; pixels already counted are left out. In float64, because
    E[s^2] - E[s]^2 cancels: float32 would change near-constant images by 1e-5.
    """
    count, channels = pred.shape[:2]
    a, b = (_padded(images, border).flatten(0, 1).movedim(0, 1) for images in (pred, target))  # [H, N C, W]
    height, width = a.shape[0] - 2 * _BORDER, a.shape[2] - 2 * _BORDER
    tall, wide = min(_TILE_HEIGHT, height), min(_TILE_WIDTH, width)
    down, across = _window(tall, a.device).mT.contiguous(), _window(wide, a.device)
    maps = down.new_empty(tall + 2 * _BORDER, 4, count * channels, wide + 2 * _BORDER)  # allocated once:
    filtered = down.new_empty(tall * 4 * count * channels, wide)  # allocation costs more than the arithmetic
    total = down.new_zeros(count * channels)
    for row in range(0, height, tall):
        for column in range(0, width, wide):
            top, left = min(row, height - tall), min(column, width - wide)
            tile = (slice(top, top + tall + 2 * _BORDER), slice(None), slice(left, left + wide + 2 * _BORDER))
            _sum_and_difference(a[tile], b[tile], maps)
            torch.mm((down @ maps.flatten(1)).view(-1, wide + 2 * _BORDER), across, out=filtered)
            similarity = _similarity(filtered.view(tall, 4, -1, wide), factor)
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


def _padded(images: Tensor, border: Border) -> Tensor:
    """Return images [N, C, H, W] padded by 5 pixels on each side, or unchanged where the border is cropped."""
    if border == "crop":
        return images
    if border != "reflect":
        return pad(images, (_BORDER,) * 4, mode="reflect" if border == "mirror" else "constant")
    rows, columns = (_reflected(size, images.device) for size in images.shape[-2:])
    return images[..., rows[:, None], columns]


def _reflected(size: int, device: torch.device) -> Tensor:
    """Return indices ... 1 0 | 0 1 ... size-1 | size-1 ...; torch's own "reflect" does not repeat the edge."""
    index = torch.arange(-_BORDER, size + _BORDER, device=device)
    return torch.minimum(torch.maximum(index, -1 - index), 2 * size - 1 - index)


def _similarity(filtered: Tensor, factor: float) -> Tensor:
    """Return SSIM [H, M, W] from the filtered maps [H, 4, M, W], which are overwritten."""
    mean_s, mean_d, var_s, var_d = filtered.unbind(1)
    filtered[:, :2].square_()
    filtered[:, 2:].sub_(filtered[:, :2]).mul_(factor)
    numerator = (mean_s - mean_d).add_(2e-4).mul_((var_s - var_d).add_(18e-4))
    return numerator.div_(mean_s.add_(mean_d).add_(2e-4).mul_(var_s.add_(var_d).add_(18e-4)))


def _window(size: int, device: torch.device) -> Tensor:
    """Return the band matrix [size + 10, size] that filters with the Gaussian, valid positions only."""
    taps = torch.exp(-0.5 * ((torch.arange(_TAPS, dtype=torch.float64, device=device) - _BORDER) / 1.5) ** 2)
    offset = torch.arange(size + 2 * _BORDER, device=device)[:, None] - torch.arange(size, device=device)
    inside = (offset >= 0) & (offset < _TAPS)
    return torch.where(inside, (taps / taps.sum())[offset.clamp(0, _TAPS - 1)], 0.0)


def _squared_error(pred: Tensor, target: Tensor) -> Tensor:
    return (pred.clamp(0, 1) - target.clamp(0, 1)).square_()


def _mse_of_chunk(pred: Tensor, target: Tensor) -> Tensor:
    return _squared_error(pred, target).mean((1, 2, 3), dtype=torch.float64)


def _decibel(error: Tensor, min_mse: float) -> Tensor:
    return -10 * torch.log10(error.clamp_min(min_mse))


def _by_chunks(function: Callable[[Tensor, Tensor], Tensor], pred: Tensor, target: Tensor) -> Tensor:
    """Apply a function of images [n, 3, H, W] -> [n] to a few images at a time, and refuse NaN results.

    A NaN pixel makes the result of its image NaN, so that one check per image is enough.
    """
    size = _CHUNK if pred.device.type == "cpu" else 32 * _CHUNK
    parts = zip(torch.split(pred, size), torch.split(target, size), strict=True)
    return refuse_nan(torch.cat([function(_wide(a), _wide(b)) for a, b in parts]))


def _wide(images: Tensor) -> Tensor:
    """Return images in at least float32: half precision is too coarse for a squared difference."""
    return images if images.dtype == torch.float64 else images.float()
