"""Losses of rendered images that the methods' papers train on."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.training.options import PixelLoss


def reconstruction(rendered: Tensor, target: Tensor, pixels: PixelLoss, perceptual: float) -> Tensor:
    """Mean absolute or squared error of images, plus ``perceptual`` times LPIPS (VGG).

    Args:
        rendered, target: images [..., 3, H, W] in [0, 1]. Without LPIPS any equal shapes do.
        pixels: the error of pixels.
        perceptual: weight of LPIPS, which needs downloaded weights; 0 needs none.

    Returns:
        A scalar.
    """
    difference = rendered.float() - target
    loss = difference.abs().mean() if pixels == "l1" else difference.square().mean()
    if perceptual == 0:
        return loss
    from evalkit.metrics.lpips import lpips

    images, true = (x.reshape(-1, *x.shape[-3:]).float() for x in (rendered, target))
    return torch.add(loss, lpips(images, true, net="vgg").mean(), alpha=perceptual)
