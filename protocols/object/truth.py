"""What an object truly looks like from its targets, where it is in them, and what one colour scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from evalkit.metrics.image import masked_psnr
from evalkit.metrics.named import MIN_MSE, image_scores
from evalkit.protocol import Loaded
from evalkit.views import Frames

OBJECT = "object_psnr"  # PSNR over the object's pixels


class Truth(NamedTuple):
    """Targets ``images`` [B, T, 3, H, W], of which ``mask`` [B, T, H, W] is the object, and constant images of their
    shape: ``blank`` in the mean colour of the context, ``flat`` in that of the object in the context."""

    images: Tensor
    mask: Tensor
    blank: Tensor
    flat: Tensor

    @staticmethod
    def of(batch: Sequence[Loaded]) -> Truth:
        """Cut the first clip of each sample into context and targets."""
        clips = [(one.frames[0], one.sample.clips[0]) for one in batch]
        context = [frames.take(clip.context_positions) for frames, clip in clips]
        target = [frames.take(clip.target_positions) for frames, clip in clips]
        images = torch.stack([each.images for each in target])
        everywhere, masks = torch.ones_like(object_mask(context[0])), [object_mask(each) for each in context]
        return Truth(
            images,
            torch.stack([object_mask(each) for each in target]),
            torch.stack([_mean_colour(each.images, everywhere) for each in context]).expand_as(images),
            torch.stack([_mean_colour(each.images, mask) for each, mask in zip(context, masks, strict=True)]).expand_as(
                images
            ),
        )

    def scores(self, metrics: Sequence[str], renders: Tensor) -> dict[str, Tensor]:
        """Each metric over all pixels, and PSNR over the object, of renders [B, T, 3, H, W], each [B, T]."""
        return self._scores(metrics, renders, renders)

    def baseline(self, metrics: Sequence[str]) -> dict[str, Tensor]:
        """The same numbers of one colour: the best for what each of them counts, as far as the context tells."""
        return self._scores(metrics, self.blank, self.flat)

    def _scores(self, metrics: Sequence[str], renders: Tensor, objects: Tensor) -> dict[str, Tensor]:
        truth = self.images.flatten(0, 1)
        found = image_scores(metrics, renders.flatten(0, 1), truth)
        found[OBJECT] = masked_psnr(objects.flatten(0, 1), truth, self.mask.flatten(0, 1), MIN_MSE)
        return {name: values.view(self.mask.shape[:2]).cpu() for name, values in found.items()}


def object_mask(frames: Frames) -> Tensor:
    """Pixels [V, H, W] that have a depth, as those of an object before a background have; all where none has one."""
    if frames.depth is None:
        return torch.ones_like(frames.images[:, 0], dtype=torch.bool)
    mask = frames.depth.isfinite() & (frames.depth > 0)
    return mask | ~mask.any(-1, keepdim=True).any(-2, keepdim=True)


def _mean_colour(images: Tensor, mask: Tensor) -> Tensor:
    """Mean [1, 3, 1, 1] of images [V, 3, H, W] over mask [V, H, W]."""
    total = (images.double() * mask[:, None]).sum((0, 2, 3), keepdim=True)
    return (total / mask.sum()).to(images.dtype)
