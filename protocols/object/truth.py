"""The true images of an object's targets, its pixels in them, and the scores of renders and of one colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from evalkit.metrics.image import masked_psnr
from evalkit.metrics.named import MIN_MSE, image_scores
from evalkit.protocol import Loaded
from evalkit.views import Frames
from protocols.object.columns import OBJECT_PSNR


class Truth(NamedTuple):
    """Targets of several objects, and images of one colour of the same shape.

    Args:
        images: true target images [B, T, 3, H, W].
        mask: the object's pixels [B, T, H, W] in them.
        mean_colour: images in the mean colour of the context.
        object_colour: images in the mean colour of the object in the context.
    """

    images: Tensor
    mask: Tensor
    mean_colour: Tensor
    object_colour: Tensor

    @staticmethod
    def of(batch: Sequence[Loaded]) -> Truth:
        """Split the first clip of each sample into context and targets."""
        clips = [(loaded.frames[0], loaded.sample.clips[0]) for loaded in batch]
        contexts = [frames.take(clip.context_positions) for frames, clip in clips]
        targets = [frames.take(clip.target_positions) for frames, clip in clips]
        images = torch.stack([target.images for target in targets])
        everywhere = torch.ones_like(object_mask(contexts[0]))
        mean_colours = [_mean_colour(context.images, everywhere) for context in contexts]
        object_colours = [_mean_colour(context.images, object_mask(context)) for context in contexts]
        return Truth(
            images,
            torch.stack([object_mask(target) for target in targets]),
            torch.stack(mean_colours).expand_as(images),
            torch.stack(object_colours).expand_as(images),
        )

    def scores(self, metrics: Sequence[str], renders: Tensor) -> dict[str, Tensor]:
        """Each metric over all pixels, and PSNR over the object's pixels, of renders [B, T, 3, H, W]: [B, T] each."""
        return self._scores(metrics, renders, renders)

    def colour_scores(self, metrics: Sequence[str]) -> dict[str, Tensor]:
        """The same scores of one colour: for each score the colour that suits its pixels best, by the context."""
        return self._scores(metrics, self.mean_colour, self.object_colour)

    def _scores(self, metrics: Sequence[str], renders: Tensor, object_renders: Tensor) -> dict[str, Tensor]:
        truth = self.images.flatten(0, 1)
        scores = image_scores(metrics, renders.flatten(0, 1), truth)
        scores[OBJECT_PSNR] = masked_psnr(object_renders.flatten(0, 1), truth, self.mask.flatten(0, 1), MIN_MSE)
        return {name: values.view(self.mask.shape[:2]).cpu() for name, values in scores.items()}


def object_mask(frames: Frames) -> Tensor:
    """The object's pixels [V, H, W]: those with a finite depth; all pixels of a frame where none has one."""
    if frames.depth is None:
        return torch.ones_like(frames.images[:, 0], dtype=torch.bool)
    mask = frames.depth.isfinite() & (frames.depth > 0)
    return mask | ~mask.any(-1, keepdim=True).any(-2, keepdim=True)


def _mean_colour(images: Tensor, mask: Tensor) -> Tensor:
    """Mean [1, 3, 1, 1] of images [V, 3, H, W] over mask [V, H, W]."""
    total = (images.double() * mask[:, None]).sum((0, 2, 3), keepdim=True)
    return (total / mask.sum()).to(images.dtype)
