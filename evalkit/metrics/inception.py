"""Features for FID and KID as in clean-fid: resize to 299 without rounding, then Inception of 2015-12-05.

FID was defined with this network of TensorFlow's release (Heusel et al. 2017). Its PyTorch port is that of pytorch-fid.
It differs from torchvision's Inception: average pooling leaves out the padding, and the last block has a max pooling.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor
from torch.backends import cudnn
from torch.nn import functional

from evalkit.weights.store import load

SIZE = 299
_CHUNK = 64  # images at a time
_EPSILON = 1e-3  # of the batch normalisations
_A = ("branch1x1", "branch5x5_1 branch5x5_2", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3", "mean branch_pool")
_B = ("branch3x3", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3", "halve")
_C = (
    "branch1x1",
    "branch7x7_1 branch7x7_2 branch7x7_3",
    "branch7x7dbl_1 branch7x7dbl_2 branch7x7dbl_3 branch7x7dbl_4 branch7x7dbl_5",
    "mean branch_pool",
)
_D = ("branch3x3_1 branch3x3_2", "branch7x7x3_1 branch7x7x3_2 branch7x7x3_3 branch7x7x3_4", "halve")
_E = (
    "branch1x1",
    "branch3x3_1 branch3x3_2a",
    "branch3x3_1 branch3x3_2b",
    "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3a",
    "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3b",
)
# name of a block -> its branches, each a sequence of layers; the stem has one branch of one convolution
_BLOCKS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Mixed_5b", "Mixed_5c", "Mixed_5d"), _A),
    "Mixed_6a": _B,
    **dict.fromkeys(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), _C),
    "Mixed_7a": _D,
    "Mixed_7b": (*_E, "mean branch_pool"),
    "Mixed_7c": (*_E, "max branch_pool"),
}
_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "halve", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "halve")
_HALVING = {
    "Conv2d_1a_3x3",
    *("Mixed_6a.branch3x3", "Mixed_6a.branch3x3dbl_3"),
    *("Mixed_7a.branch3x3_2", "Mixed_7a.branch7x7x3_4"),
}
_UNPADDED = _HALVING | {"Conv2d_2a_3x3", "Conv2d_4a_3x3"}


def inception_features(images: Tensor) -> Tensor:
    """Return features of images [N, 3, H, W], uint8 or float in [0, 1] -> float32 [N, 2048], on the images' device.

    Raises MissingWeights where the network is not on this machine.
    """
    network = _network(images.device)
    return torch.cat([network(resize_299(chunk)) for chunk in torch.split(images, _CHUNK)])


def resize_299(images: Tensor) -> Tensor:
    """Resize images [N, 3, H, W], uint8 or float in [0, 1] -> float32 [N, 3, 299, 299] in [0, 255].

    As clean-fid: Pillow's antialiased bicubic filter in floating point, clamped to [0, 255] but not rounded to whole
    levels (Parmar et al. 2022). Float images are not rounded before resizing, whereas clean-fid reads 8-bit PNGs.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images must be [N, 3, H, W], got {list(images.shape)}")
    levels = images.double() if images.dtype == torch.uint8 else 255 * images.double()
    down, across = (_bicubic(length, images.device) for length in images.shape[-2:])
    wide = (
        (levels.float().double() @ across.mT).float().double()
    )  # Pillow stores single precision between its two passes
    return (down @ wide).float().clamp(0, 255)


class Inception:
    """The network up to its last average pooling; ``weights`` are named as in torchvision."""

    def __init__(self, weights: Mapping[str, Tensor], device: torch.device) -> None:
        names = [name.removesuffix(".conv.weight") for name in weights if name.endswith(".conv.weight")]
        self._filters = {name: tuple(part.to(device) for part in _folded(weights, name)) for name in names}

    def __call__(self, images: Tensor) -> Tensor:
        """Return features [N, 2048] of images [N, 3, 299, 299] in [0, 255]."""
        with torch.no_grad(), cudnn.flags(enabled=True, allow_tf32=False):
            maps = (images.float() - 128) / 128
            for step in _STEM:
                maps = self._step(maps, step, "")
            for block, branches in _BLOCKS.items():
                maps = torch.cat([self._branch(maps, branch, block) for branch in branches], 1)
            return maps.mean((2, 3))

    def _branch(self, maps: Tensor, steps: str, block: str) -> Tensor:
        for step in steps.split():
            maps = self._step(maps, step, f"{block}.")
        return maps

    def _step(self, maps: Tensor, step: str, prefix: str) -> Tensor:
        if step == "halve":
            return functional.max_pool2d(maps, 3, 2)
        if step == "max":
            return functional.max_pool2d(maps, 3, 1, padding=1)
        if step == "mean":
            return functional.avg_pool2d(maps, 3, 1, padding=1, count_include_pad=False)
        name = prefix + step
        weight, bias = self._filters[name]
        padding = (0, 0) if name in _UNPADDED else (weight.shape[2] // 2, weight.shape[3] // 2)
        return functional.conv2d(maps, weight, bias, 2 if name in _HALVING else 1, padding).relu_()


def _folded(weights: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """Return a convolution and the batch normalisation after it as one filter and bias."""
    scale, offset, mean, variance = (
        weights[f"{name}.bn.{part}"].double() for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = scale / (variance + _EPSILON).sqrt()
    filters = weights[f"{name}.conv.weight"].double() * scale[:, None, None, None]
    return filters.float(), (offset - mean * scale).float()


@lru_cache
def _network(device: torch.device) -> Inception:
    return Inception(load("inception"), device)


def _bicubic(length: int, device: torch.device) -> Tensor:
    """Return the matrix [299, length] of Pillow's bicubic filter (a = -1/2), widened where images are reduced."""
    scale = length / SIZE
    width = max(scale, 1.0)
    centre = (torch.arange(SIZE, dtype=torch.float64, device=device) + 0.5) * scale
    pixel = torch.arange(length, dtype=torch.float64, device=device)
    first, last = ((centre + side * 2 * width + 0.5).floor() for side in (-1, 1))
    x = ((pixel + 0.5 - centre[:, None]) / width).abs()
    near, far = (1.5 * x - 2.5) * x**2 + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    weight = torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
    weight = torch.where((pixel >= first[:, None]) & (pixel < last[:, None]), weight, 0.0)
    return weight / weight.sum(1, keepdim=True)
