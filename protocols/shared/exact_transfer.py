"""The exact transfer error: renders against scene B ray-cast along clip A's camera motion, in worlds that are known."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.data.dataset import KnownWorld
from evalkit.data.degrade import softened
from evalkit.geometry.projection import visibility
from evalkit.geometry.se3 import rotation_angle_deg
from evalkit.metrics.catalogue import LPIPS_VGG
from evalkit.metrics.image import masked_psnr, psnr, ssim
from evalkit.metrics.named import MIN_MSE
from evalkit.protocol import Clip
from evalkit.views import Frames
from protocols.shared.transfer import Pair
from protocols.shared.transfer_columns import (
    EXACT_GAIN,
    EXACT_LPIPS,
    EXACT_PSNR,
    EXACT_PSNR_VISIBLE,
    EXACT_SSIM,
    EXACT_VISIBLE_FRACTION,
)

KEPT_CLIPS = 16  # ray-cast clips
LPIPS_SIDE = 32  # pixels, the least that LPIPS can compare


class ExactTransfers:
    """The exact transferred views of recent pairs, kept for the other methods of the same pass over the data."""

    def __init__(self, world: KnownWorld) -> None:
        self.world = world
        self._kept: dict[tuple[Clip, Clip], Frames] = {}

    def of(self, pair: Pair) -> Frames:
        """Scene B as it looks along the motion of A."""
        key = (pair.clip_a, pair.clip_b)
        if key not in self._kept:
            while len(self._kept) >= KEPT_CLIPS:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = transferred_view(self.world, pair.context, pair.clip_b, pair.motion())
        return self._kept[key]


def transferred_view(world: KnownWorld, context: Frames, clip: Clip, motion: Tensor) -> Frames:
    """Ray-cast scene B along A's motion [T, 4, 4] (camera from A's reference) composed on B's reference camera."""
    assert context.cameras is not None
    reference = context.cameras.w2c[len(clip.context) // 2]
    return world.view(clip.sequence, motion.to(reference) @ reference, context.images.shape[-1])


def transfer_error(
    truth: Frames, context: Frames, motion: Tensor, renders: Tensor, has_lpips: bool = False
) -> dict[str, float]:
    """PSNR, its gain over images that do not move, SSIM and LPIPS of renders [T, 3, S, S] against the exact views.

    The reference view itself, which every method is given, is left out. The ``visible`` numbers count only pixels whose
    surface at least one context frame of B sees: no method can know the others.
    """
    assert truth.cameras is not None and truth.depth is not None
    assert context.cameras is not None and context.depth is not None
    moves = (motion[:, :3, 3].norm(dim=-1) > 1e-6) | (rotation_angle_deg(motion[:, :3, :3]) > 1e-6)
    moves = moves.to(renders.device)
    visible = visibility(truth.depth, truth.cameras, context.depth, context.cameras)
    values = {
        EXACT_PSNR: psnr(renders, truth.images, min_mse=MIN_MSE),
        EXACT_SSIM: ssim(renders, truth.images),
        EXACT_PSNR_VISIBLE: masked_psnr(renders, truth.images, visible, min_mse=MIN_MSE),
        EXACT_VISIBLE_FRACTION: visible.double().mean(dim=(-2, -1)),
    }
    if has_lpips and renders.shape[-1] >= LPIPS_SIDE:
        values[EXACT_LPIPS] = LPIPS_VGG.compute(renders, truth.images)
    row = {name: float(torch.nanmean(value[moves.to(value.device)].double())) for name, value in values.items()}
    return row | {EXACT_GAIN: row[EXACT_PSNR] - best_still_psnr(truth, context, moves)}


def best_still_psnr(truth: Frames, context: Frames, moves: Tensor) -> float:
    """The best PSNR of an image of B that does not move: its reference frame, sharp or blurred, or its mean frame.

    What `static`, `static_blurred` and `mean_context` score, over the views that ``moves`` [T] marks.
    """
    reference = context.images[len(context.images) // 2]
    stills = (reference, softened(reference[None])[0], context.images.mean(dim=0))
    scores = [psnr(still.expand_as(truth.images), truth.images, min_mse=MIN_MSE)[moves] for still in stills]
    return max(float(torch.nanmean(score.double())) for score in scores)


def error_image(truth: Frames, renders: Tensor) -> Tensor:
    """Absolute error [T, 3, H, W], the mean over the colours times four: white is a quarter of the range."""
    error = (renders - truth.images).abs().mean(dim=1, keepdim=True)
    return (4 * error).expand_as(renders)
