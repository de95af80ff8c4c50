"""What all oracles share that read pixels: 8-bit frames, and failures that must not be kept."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.metrics.image import levels

TRANSIENT = "transient: "
"""A reason that starts so is about the machine (a timeout, a crash), not about the clip. It is never cached."""


def clips_to_uint8(images: Tensor) -> Tensor:
    """Round clips [B, V, 3, H, W] in [0, 1] to uint8 on the CPU, so that float noise cannot change an answer.

    Raises ValueError for fewer than 2 frames, another shape, NaN or infinity.
    """
    if images.ndim != 5 or images.shape[1] < 2 or images.shape[2] != 3:
        raise ValueError(f"an oracle takes images [B, V >= 2, 3, H, W], not {list(images.shape)}")
    if not torch.isfinite(images).all():
        raise ValueError("an oracle takes finite pixels, not NaN or infinity")
    return levels(images.detach(), "half_even").to(torch.uint8).cpu().contiguous()
