"""The network: features around every pixel, coarse ones to find a point and fine ones to place it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize, pixel_unshuffle, relu

from evalkit.oracles.procedural.oracle import SIDE as SIDE

COARSE, FINE = 8, 2  # pixels per cell
COARSE_CHANNELS, FINE_CHANNELS = 64, 32
WIDTHS = (24, 48, 96, 128)  # channels at 2, 4, 8 and 16 pixels per cell


@dataclass(frozen=True)
class Features:
    """Features of N frames: ``coarse`` [N, 64, 32, 32] and ``fine`` [N, 32, 128, 128], unit vectors.

    ``log_spread`` [N, 1, 128, 128]: logarithm of the expected error, in pixels, of a match of a point there.
    """

    coarse: Tensor
    fine: Tensor
    log_spread: Tensor

    def take(self, index: Tensor) -> Features:
        """Return the features of some frames."""
        return Features(self.coarse[index], self.fine[index], self.log_spread[index])


class Block(nn.Module):
    """A residual block: two convolutions and a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = convolution(width, width), convolution(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape of ``x`` [N, C, H, W]."""
        return relu(x + self.second(relu(self.first(x))))


class FeatureNet(nn.Module):
    """A small U-shaped network: 0.95 million weights, 1.2 G multiplications per frame."""

    def __init__(self) -> None:
        super().__init__()
        w2, w4, w8, w16 = WIDTHS
        self.stem = nn.Sequential(convolution(12, w2), nn.ReLU(), convolution(w2, w2), nn.ReLU())
        self.to4 = nn.Sequential(convolution(w2, w4, 2), nn.ReLU(), Block(w4))
        self.to8 = nn.Sequential(convolution(w4, w8, 2), nn.ReLU(), Block(w8), Block(w8))
        self.to16 = nn.Sequential(convolution(w8, w16, 2), nn.ReLU(), Block(w16))
        self.from16, self.from8, self.from4 = nn.Conv2d(w16, w8, 1), nn.Conv2d(w8, w4, 1), nn.Conv2d(w4, w2, 1)
        self.at8, self.at4, self.at2 = convolution(w8, w8), convolution(w4, w4), convolution(w2, FINE_CHANNELS)
        self.coarse = nn.Conv2d(w8, COARSE_CHANNELS, 1)
        self.fine = nn.Conv2d(FINE_CHANNELS, FINE_CHANNELS, 1)
        self.log_spread = nn.Conv2d(FINE_CHANNELS, 1, 1)
        self.log_scales = nn.Parameter(torch.tensor([2.5, 2.5]))  # of the similarities, coarse and fine

    def forward(self, images: Tensor) -> Features:
        """Compute the features of ``images`` [N, 3, 256, 256] in [0, 1]."""
        x2 = self.stem(pixel_unshuffle(standardised(images), FINE).contiguous(memory_format=torch.channels_last))
        x4 = self.to4(x2)
        x8 = self.to8(x4)
        x8 = relu(self.at8(x8 + upsampled(self.from16(self.to16(x8)))))
        x4 = relu(self.at4(x4 + upsampled(self.from8(x8))))
        x2 = relu(self.at2(x2 + upsampled(self.from4(x4))))
        return Features(normalize(self.coarse(x8), dim=1), normalize(self.fine(x2), dim=1), self.log_spread(x2))


def convolution(channels: int, width: int, stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution with batch normalisation."""
    return nn.Sequential(nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width))


def upsampled(x: Tensor) -> Tensor:
    """Double the size."""
    return interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def standardised(images: Tensor) -> Tensor:
    """Shift and scale each channel of each frame to mean 0 and deviation 1: exposure and white balance drop out."""
    mean = images.mean((-1, -2), keepdim=True)
    deviation = (images - mean).square().mean((-1, -2), keepdim=True).sqrt()
    return (images - mean) / (deviation + 0.02)


def write_weights(network: FeatureNet, file: Path) -> None:
    """Write the weights in half precision."""
    state = {k: v.half().contiguous() for k, v in network.state_dict().items() if v.is_floating_point()}
    save_file(state, file)


def read_weights(file: Path) -> FeatureNet:
    """Read what `write_weights` wrote, ready to be used."""
    network = FeatureNet()
    network.load_state_dict({k: v.float() for k, v in load_file(file).items()}, strict=False)
    return network.eval().requires_grad_(False)
