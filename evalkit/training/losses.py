"""How far a rendered image is from the true one, in the terms that the methods' papers train on."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

PixelLoss = Literal["l1", "mse"]


def reconstruction(rendered: Tensor, target: Tensor, pixels: PixelLoss, perceptual: float) -> Tensor:
    """Mean distance of images [..., 3, H, W] in [0, 1]: L1 or squared error, plus ``perceptual`` times LPIPS (VGG).

    LPIPS needs downloaded weights; a share of 0 asks for none.
    """
    difference = rendered.float() - target
    loss = difference.abs().mean() if pixels == "l1" else difference.square().mean()
    if perceptual == 0:
        return loss
    from evalkit.metrics.lpips import lpips

    images, true = (x.reshape(-1, *x.shape[-3:]).float() for x in (rendered, target))
    return torch.add(loss, lpips(images, true, net="vgg").mean(), alpha=perceptual)
