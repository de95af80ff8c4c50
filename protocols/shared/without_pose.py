"""Images that need no pose: what a render must beat to show that poses say something."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evalkit.data.degrade import softened


def images_without_pose(context: Tensor, times: Sequence[float], targets: Sequence[float]) -> tuple[Tensor, ...]:
    """For each of T targets, images made from the context and the clock alone, each [T, 3, H, W].

    The reference frame, sharp and blurred; the mean of the context; its mean colour; the context frame nearest in time
    to the target; a fade in time between its neighbours.

    Args:
        context: images [C, 3, H, W], in temporal order.
        times: of the context, in temporal order.
        targets: times of the targets.
    """
    still = context[len(context) // 2]
    left, fraction = clock(times, targets)
    before, after, share = context[left], context[left + 1], fraction.to(context)[:, None, None, None]
    mean = context.mean(0)
    stills = (still, softened(still[None])[0], mean, mean.mean((1, 2), keepdim=True))
    nearest = torch.where(share <= 0.5, before, after)
    return (*(image.expand_as(before) for image in stills), nearest, torch.lerp(before, after, share))


def clock(times: Sequence[float], targets: Sequence[float]) -> tuple[Tensor, Tensor]:
    """The rank [T] of the context frame before each target, and how far [T] in time it is to the next, in [0, 1].

    Times of the context are in order. A target outside of it counts as the nearest end.

    >>> clock([0, 10, 30], [5, 10, 35])
    (tensor([0, 1, 1]), tensor([0.5000, 0.0000, 1.0000]))
    """
    known, asked = torch.tensor(times, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32)
    left = (torch.searchsorted(known, asked, right=True) - 1).clamp(0, len(times) - 2)
    return left, ((asked - known[left]) / (known[left + 1] - known[left])).clamp(0, 1)
