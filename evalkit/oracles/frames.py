"""What oracles that look at pixels share: the pixels they look at, and failures that say nothing about them."""

from __future__ import annotations

import torch
from torch import Tensor

TRANSIENT = "transient: "
"""A reason that starts so tells of the machine (a timeout, a crash), not of the clip: never cached."""


def quantised(images: Tensor) -> Tensor:
    """Round clips [B, V, 3, H, W] in [0, 1] to uint8 on the CPU, so that float noise cannot change an answer.

    Raises ValueError for fewer than 2 frames, another shape, NaN or infinity.
    """
    if images.ndim != 5 or images.shape[1] < 2 or images.shape[2] != 3:
        raise ValueError(f"an oracle takes images [B, V >= 2, 3, H, W], not {list(images.shape)}")
    if not torch.isfinite(images).all():
        raise ValueError("an oracle takes finite pixels, not NaN or infinity")
    return (images.detach().clamp(0, 1) * 255).round().to(torch.uint8).cpu().contiguous()
