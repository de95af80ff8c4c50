"""Learned perceptual distance of images (LPIPS v0.1; Zhang et al. 2018, arXiv 1801.03924, eq. 1)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, reduce
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.backends import cudnn

from evalkit.errors import did_you_mean
from evalkit.metrics.checks import check_pair, refuse_nan
from evalkit.weights.store import load

Net = Literal["vgg", "alex", "squeeze"]
Precision = Literal["float32", "bfloat16"]

_SMALLEST = 32  # pixels; smaller images leave nothing for AlexNet's last pooling
_CPU_PIXELS, _GPU_PIXELS = 4 * 256**2, 64 * 256**2  # of the pairs in one batch
_BACKBONES = {"vgg": "vgg16", "alex": "alexnet", "squeeze": "squeezenet1_1"}  # names of their weights
_TAPS = {"vgg": (3, 8, 15, 22, 29), "alex": (1, 4, 7, 9, 11), "squeeze": (1, 4, 7, 9, 10, 11, 12)}


def lpips(pred: Tensor, target: Tensor, net: Net, precision: Precision = "float32") -> Tensor:
    """Return LPIPS v0.1 of images -> float64 [N]; 0 for equal images.

    Equal to ``lpips`` 0.1.4 with ``normalize=True`` to 1e-5.

    Args:
        pred, target: images [N, 3, H, W] in [0, 1], at least 32x32 pixels; they are not clamped.
        net: which network computes the features. Published tables use "vgg" unless they say otherwise.
        precision: "bfloat16" computes under autocast, as RayZer's and LVSM's evaluation code does.

    Raises:
        MissingWeights: where the network is not on this machine.
        ValueError: as `psnr`.
    """
    check_pair(pred, target)
    return lpips_distance(_network(net, pred.device), pred, target, precision)


def lpips_distance(model: Lpips, pred: Tensor, target: Tensor, precision: Precision = "float32") -> Tensor:
    """Return `lpips` of a given network, such as one with other weights; differentiable in ``pred``."""
    check_pair(pred, target)
    if min(pred.shape[-2:]) < _SMALLEST:
        raise ValueError(f"LPIPS needs images of at least {_SMALLEST}x{_SMALLEST} pixels, got {list(pred.shape)}")
    refuse_nan((pred.detach() + target.detach()).sum((1, 2, 3), dtype=torch.float64))  # strides skip some pixels
    budget = _CPU_PIXELS if pred.device.type == "cpu" else _GPU_PIXELS
    size = max(1, budget // (pred.shape[-2] * pred.shape[-1]))
    with _arithmetic(pred.device, precision):
        chunks = zip(torch.split(pred.float(), size), torch.split(target.float(), size), strict=True)
        return torch.cat([model(a, b).double() for a, b in chunks])


class Lpips(nn.Module):
    """A network of features and one weight for each of their channels.

    Args:
        net: which network.
        features: weights of the network, named as in torchvision.
        heads: weights of the channels, named as in ``lpips`` 0.1.4 (``lin0.model.1.weight``).
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, net: Net, features: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.taps = _TAPS[net]
        layers = _LAYERS[net]()
        self.features = nn.Sequential(*layers[: self.taps[-1] + 1])
        by_name = {name.removeprefix("features."): tensor for name, tensor in features.items()}
        self.features.load_state_dict({name: by_name[name] for name in self.features.state_dict()})
        self.heads = nn.ParameterList([heads[f"lin{index}.model.1.weight"] for index in range(len(self.taps))])
        # mean and deviation of ImageNet, for images in [-1, 1]
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1))
        self.requires_grad_(False).eval()

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Return distances [N] of images [N, 3, H, W] in [0, 1]."""
        images = (2 * torch.cat([pred, target]) - 1 - self.shift) / self.scale
        distances: list[Tensor] = []
        for index, layer in enumerate(self.features):
            images = layer(images)
            if index in self.taps:
                a, b = _unit(images).chunk(2)
                head = self.heads[len(distances)]
                distances.append(nn.functional.conv2d((a - b) ** 2, head).mean((1, 2, 3)))
        return reduce(torch.add, distances)  # one by one, so that bfloat16 rounds as it does in published code


def _unit(features: Tensor) -> Tensor:
    """Return features divided by their norm over channels; a pixel whose features are all 0 stays 0."""
    return features / (torch.sqrt((features**2).sum(1, keepdim=True)) + 1e-10)


@lru_cache
def _network(net: Net, device: torch.device) -> Lpips:
    if net not in _BACKBONES:
        raise ValueError(f"LPIPS has no network '{net}'{did_you_mean(net, _BACKBONES)}")
    return Lpips(net, load(_BACKBONES[net]), load(f"lpips-{net}")).to(device)


def _arithmetic(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Return the context of the computation. TF32 is off: its error of 1e-3 would make GPU and CPU differ."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()


def _convolutions(*channels: int) -> list[nn.Module]:
    return [layer for a, b in pairwise(channels) for layer in (nn.Conv2d(a, b, 3, padding=1), nn.ReLU())]


def _vgg16() -> list[nn.Module]:
    """VGG16, configuration D (Simonyan and Zisserman 2015)."""
    blocks = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512), (512, 512, 512, 512))
    return [layer for block in blocks for layer in (*_convolutions(*block), nn.MaxPool2d(2))]


def _alexnet() -> list[nn.Module]:
    """AlexNet, one-column variant (Krizhevsky 2014)."""
    first = [nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    second = [nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    return [*first, *second, *_convolutions(192, 384, 256, 256)]


def _squeezenet() -> list[nn.Module]:
    """SqueezeNet 1.1 (Iandola et al. 2016, as revised)."""

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    start = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(), pool(), _Fire(64, 16, 64), _Fire(128, 16, 64), pool()]
    middle = [_Fire(128, 32, 128), _Fire(256, 32, 128), pool()]
    return [*start, *middle, _Fire(256, 48, 192), _Fire(384, 48, 192), _Fire(384, 64, 256), _Fire(512, 64, 256)]


class _Fire(nn.Module):
    """1x1 convolutions to few channels, then 1x1 and 3x3 side by side."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        squeezed = self.squeeze(images).relu()
        return torch.cat([self.expand1x1(squeezed), self.expand3x3(squeezed)], 1).relu()


_LAYERS = {"vgg": _vgg16, "alex": _alexnet, "squeeze": _squeezenet}
