"""Half-blind views: a pose is read from the left half of its target, and the right half of the render is scored.

Pixels that a pose carries then help only where they are not scored. The score is a gain: dB above the best of a few
images that need no pose, so that a method which ignores its targets, or fades by the clock, has 0 or less.
"""

from __future__ import annotations

from torch import Tensor

from evalkit.metrics.image import psnr
from evalkit.metrics.named import MIN_MSE
from evalkit.protocol import Clip, Scored
from evalkit.views import Frames
from protocols.shared.columns import HALF_BLIND_GAIN, HALF_BLIND_PSNR
from protocols.shared.target_poses import Batch
from protocols.shared.without_pose import images_without_pose

HALF_BLIND = "half_blind"  # predictions [B, T, 3, H, W] in [0, 1], at poses from the left halves of targets
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
    candidates = images_without_pose(context, sorted(clip.context), sorted(clip.target))
    best = max(float(half_psnr(images, truth).mean()) for images in candidates)
    shown = truth.clone()
    half_of(shown)[:] = context.mean((0, 2, 3))[:, None, None]
    return Scored(
        row={HALF_BLIND_GAIN.key: float(quality.mean()) - best, HALF_BLIND_PSNR.key: float(quality.mean())},
        arrays={HALF_BLIND_PSNR.key: quality.cpu()},
        pictures={
            "half-blind: context": context,
            "half-blind: targets as poses see them": shown,
            "half-blind: targets": truth,
            "half-blind: renders": renders,
        },
    )
