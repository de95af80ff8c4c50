"""Images as patches, and back."""

from __future__ import annotations

from torch import Tensor


def patchify(images: Tensor, patch: int) -> Tensor:
    """Cut images [..., C, H, W] into patches [..., H/p * W/p, p * p * C], row by row; channels run fastest."""
    *lead, channels, height, width = images.shape
    if height % patch or width % patch:
        raise ValueError(f"{height} x {width} pixels cannot be cut into patches of {patch}")
    cells = images.reshape(-1, channels, height // patch, patch, width // patch, patch)
    return cells.permute(0, 2, 4, 3, 5, 1).reshape(
        *lead, (height // patch) * (width // patch), patch * patch * channels
    )


def unpatchify(patches: Tensor, patch: int, height: int, width: int) -> Tensor:
    """Join patches [..., H/p * W/p, p * p * C] to images [..., C, H, W]: the inverse of `patchify`."""
    *lead, _, size = patches.shape
    channels = size // (patch * patch)
    cells = patches.reshape(-1, height // patch, width // patch, patch, patch, channels)
    return cells.permute(0, 5, 1, 3, 2, 4).reshape(*lead, channels, height, width)
