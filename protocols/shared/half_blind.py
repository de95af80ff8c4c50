"""Half-blind views: a pose is read from the left half of its target, and the right half of the render is scored.

Pixels that a pose carries then help only where they are not scored. The score is a gain: dB above the best of a few
images that need no pose, so that a method which ignores its targets, or fades by the clock, has 0 or less.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evalkit.data.degrade import softened
from evalkit.metrics.image import psnr
from evalkit.metrics.named import MIN_MSE
from evalkit.protocol import Clip, Scored
from evalkit.views import Frames
from protocols.shared.columns import HALF_BLIND_GAIN, HALF_BLIND_PSNR
from protocols.shared.target_poses import Batch

KEYS = (HALF_BLIND_GAIN.key, HALF_BLIND_PSNR.key)


def half_of(images: Tensor) -> Tensor:
    """The half of images [..., W] that is scored: the columns from W // 2 on."""
    return images[..., images.shape[-1] // 2 :]


def half_blind(batch: Batch) -> Batch:
    """The same clips, the right half of each target painted over with the mean colour of the clip's context."""
    colour = batch.views.take(batch.context).images.mean((1, 3, 4))
    columns = batch.views.images.shape[-1] // 2
    return batch._replace(views=batch.views.painted_over(batch.target, columns, colour))


def half_psnr(renders: Tensor, truth: Tensor) -> Tensor:
    """PSNR [..., T] of the right halves of images [..., T, 3, H, W], at most 100 dB."""
    halves = [half_of(images).flatten(0, -4) for images in (renders, truth)]
    return psnr(halves[0], halves[1], min_mse=MIN_MSE).view(truth.shape[:-3])


def half_blind_scores(frames: Frames, clip: Clip, renders: Tensor) -> Scored:
    """Score the renders [T, 3, H, W] of a clip whose targets were half hidden: row, PSNR of each target, pictures.

    ``frames`` are those of the clip, in the order of ``clip.numbers``.
    """
    context, truth = (frames.images[list(positions)] for positions in (clip.context_positions, clip.target_positions))
    quality = half_psnr(renders, truth)
    gain = float(quality.mean()) - best_without_pose(context, clip, truth)
    shown = truth.clone()
    half_of(shown)[:] = context.mean((0, 2, 3))[:, None, None]
    return Scored(
        row={HALF_BLIND_GAIN.key: gain, HALF_BLIND_PSNR.key: float(quality.mean())},
        arrays={HALF_BLIND_PSNR.key: quality.cpu()},
        pictures={
            "half-blind: context": context,
            "half-blind: targets as poses see them": shown,
            "half-blind: targets": truth,
            "half-blind: renders": renders,
        },
    )


def best_without_pose(context: Tensor, clip: Clip, truth: Tensor) -> float:
    """The best mean PSNR over the right halves of the targets that an image made without a pose has.

    Candidates: the reference frame, sharp or blurred; the mean of the context; the context frame nearest in time to the
    target; a fade in time between its neighbours.

    Args:
        context: images [C, 3, H, W] of the context, in temporal order.
        clip: whose frame numbers tell the time.
        truth: images [T, 3, H, W] of the targets, in temporal order.
    """
    still = context[len(context) // 2]
    left, fraction = clock(sorted(clip.context), sorted(clip.target))
    before, after, share = context[left], context[left + 1], fraction.to(context)[:, None, None, None]
    candidates = (
        still.expand_as(truth),
        softened(still[None])[0].expand_as(truth),
        context.mean(0).expand_as(truth),
        torch.where(share <= 0.5, before, after),
        torch.lerp(before, after, share),
    )
    return max(float(half_psnr(candidate, truth).mean()) for candidate in candidates)


def clock(context: Sequence[int], target: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The rank [T] of the context frame before each target, and how far [T] in time it is to the next, in [0, 1].

    Frame numbers are in temporal order. A target outside of its context counts as the nearest end.

    >>> clock([0, 10, 30], [5, 10, 35])
    (tensor([0, 1, 1]), tensor([0.5000, 0.0000, 1.0000]))
    """
    times, targets = torch.tensor(context, dtype=torch.float32), torch.tensor(target, dtype=torch.float32)
    left = (torch.searchsorted(times, targets, right=True) - 1).clamp(0, len(context) - 2)
    return left, ((targets - times[left]) / (times[left + 1] - times[left])).clamp(0, 1)
