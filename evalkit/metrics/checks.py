"""Checks of the inputs of image metrics."""

from __future__ import annotations

from torch import Tensor


def check_pair(pred: Tensor, target: Tensor) -> None:
    """Raise ValueError unless both are floating-point images [N, 3, H, W] of one shape."""
    if pred.shape != target.shape or pred.ndim != 4 or pred.shape[1] != 3:
        raise ValueError(f"pred and target must both be [N, 3, H, W], got {list(pred.shape)} and {list(target.shape)}")
    if not (pred.is_floating_point() and target.is_floating_point()):
        raise ValueError(f"images must be floating point in [0, 1], got {pred.dtype} and {target.dtype}")


def refuse_nan(values: Tensor) -> Tensor:
    """Return ``values`` [N], one per image; raise ValueError where one is NaN, because a pixel of that image is."""
    bad = values.isnan().nonzero().flatten().tolist()
    if bad:
        raise ValueError(f"NaN pixels in pred or target of images {bad[:8]} of the batch")
    return values
