"""Checks of the inputs of image metrics."""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDING = 1e-3  # by which a value may lie outside [0, 1]


def check_pair(pred: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
    """Raise ValueError unless both are floating-point images [N, 3, H, W] of one shape with values in [0, 1].

    Where there is a ``mask`` [N, H, W], the pixels outside may have any value.
    """
    if pred.shape != target.shape or pred.ndim != 4 or pred.shape[1] != 3:
        raise ValueError(f"pred and target must both be [N, 3, H, W], got {list(pred.shape)} and {list(target.shape)}")
    if not (pred.is_floating_point() and target.is_floating_point()):
        raise ValueError(f"images must be floating point in [0, 1], got {pred.dtype} and {target.dtype}")
    for images in (pred, target):
        check_range(images if mask is None else torch.where(mask[:, None], images, 0.0))


def check_range(images: Tensor) -> None:
    """Raise ValueError for values outside [0, 1] by more than rounding. NaN passes: `refuse_nan` names the image."""
    if not images.numel():
        return
    low, high = (float(bound) for bound in images.detach().aminmax())
    if low < -ROUNDING or high > 1 + ROUNDING:
        hint = ": divide them by 255" if 2 < high <= 255 + ROUNDING and low >= 0 else ""
        raise ValueError(f"images must lie in [0, 1], got values from {low:.3g} to {high:.3g}{hint}")


def refuse_nan(values: Tensor) -> Tensor:
    """Return ``values`` [N], one per image; raise ValueError where one is NaN, because a pixel of that image is."""
    bad = values.isnan().nonzero().flatten().tolist()
    if bad:
        raise ValueError(f"NaN pixels in pred or target of images {bad[:8]} of the batch")
    return values
