"""What every metric of image pairs asks of its input."""

from __future__ import annotations

from torch import Tensor


def check_pair(pred: Tensor, target: Tensor) -> None:
    """Raise ValueError unless both are floating-point images [N, 3, H, W] of one shape."""
    if pred.shape != target.shape or pred.ndim != 4 or pred.shape[1] != 3:
        raise ValueError(f"pred and target must both be [N, 3, H, W], got {list(pred.shape)} and {list(target.shape)}")
    if not (pred.is_floating_point() and target.is_floating_point()):
        raise ValueError(f"images must be floating point in [0, 1], got {pred.dtype} and {target.dtype}")


def refuse_nan(values: Tensor) -> Tensor:
    """Raise ValueError where one of the numbers [N], one an image, is NaN: sums carry a NaN pixel along."""
    bad = values.isnan().nonzero().flatten().tolist()
    if bad:
        raise ValueError(f"NaN pixels in pred or target of images {bad[:8]} of the batch")
    return values
