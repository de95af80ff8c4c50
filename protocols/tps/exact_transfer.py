"""The exact transfer error: what clip A's camera motion really looks like in scene B, where that is known."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.data.dataset import KnownWorld
from evalkit.geometry.projection import visibility
from evalkit.geometry.se3 import rotation_angle_deg
from evalkit.metrics.image import masked_psnr, psnr, ssim
from evalkit.metrics.named import MIN_MSE
from evalkit.protocol import Clip
from evalkit.views import Frames
from protocols.shared.transfer import Pair

KEPT = 16  # ray-cast clips


class Truths:
    """The exact transferred views of recent pairs, kept for the other methods of the same pass over the data."""

    def __init__(self, world: KnownWorld) -> None:
        self.world = world
        self._kept: dict[tuple[Clip, Clip], Frames] = {}

    def of(self, pair: Pair) -> Frames:
        """B as it looks along the motion of A."""
        key = (pair.clip_a, pair.clip_b)
        if key not in self._kept:
            while len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = transferred_view(self.world, pair.context, pair.clip_b, pair.motion())
        return self._kept[key]


def transferred_view(world: KnownWorld, context: Frames, clip: Clip, motion: Tensor) -> Frames:
    """Ray-cast scene B along A's motion [T, 4, 4] (camera from A's reference) composed on B's reference camera."""
    assert context.cameras is not None
    reference = context.cameras.w2c[len(clip.context) // 2]
    return world.view(clip.sequence, motion.to(reference) @ reference, context.images.shape[-1])


def transfer_error(truth: Frames, context: Frames, motion: Tensor, renders: Tensor) -> dict[str, float]:
    """PSNR and SSIM of renders [T, 3, H, W] against the exact transferred views.

    The reference view itself, which every method is given, is left out. ``visible`` counts only pixels whose
    surface at least one context frame of B sees: no method can know the others.
    """
    assert truth.cameras is not None and truth.depth is not None
    assert context.cameras is not None and context.depth is not None
    moved = (motion[:, :3, 3].norm(dim=-1) > 1e-6) | (rotation_angle_deg(motion[:, :3, :3]) > 1e-6)
    seen = visibility(truth.depth, truth.cameras, context.depth, context.cameras)
    values = {
        "exact_psnr": psnr(renders, truth.images, min_mse=MIN_MSE),
        "exact_ssim": ssim(renders, truth.images),
        "exact_psnr_visible": masked_psnr(renders, truth.images, seen, min_mse=MIN_MSE),
        "exact_visible_fraction": seen.double().mean(dim=(-2, -1)),
    }
    return {name: float(torch.nanmean(value[moved.to(value.device)].double())) for name, value in values.items()}
