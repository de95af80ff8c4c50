"""The true images of an object's targets, its pixels in them, and the scores of renders and of one colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from evalkit.geometry.se3 import rotation_angle_deg
from evalkit.metrics.image import masked_psnr
from evalkit.metrics.named import MIN_MSE, image_scores
from evalkit.protocol import Clip, Loaded
from evalkit.views import Frames
from protocols.object.columns import CHARGED_PSNR, MASK_IOU, OBJECT_PSNR
from protocols.object.silhouette import background_colour, charged_psnr, mask_iou, object_mask


class Truth(NamedTuple):
    """Targets of several objects, and images of one colour of the same shape.

    Args:
        images: true target images [B, T, 3, H, W].
        mask: the object's pixels [B, T, H, W] in them.
        background: the colour behind the object [B, 3]; NaN where it is not known.
        mean_colour: images in the mean colour of the context.
        object_colour: images in the mean colour of the object in the context.
    """

    images: Tensor
    mask: Tensor
    background: Tensor
    mean_colour: Tensor
    object_colour: Tensor

    @staticmethod
    def of(batch: Sequence[Loaded]) -> Truth:
        """Split the first clip of each sample into context and targets."""
        contexts, targets = zip(*(_split(loaded) for loaded in batch), strict=True)
        images = torch.stack([target.images for target in targets])
        everywhere = torch.ones_like(object_mask(contexts[0]))
        mean_colours = [_mean_colour(context.images, everywhere) for context in contexts]
        object_colours = [_mean_colour(context.images, object_mask(context)) for context in contexts]
        return Truth(
            images,
            torch.stack([object_mask(target) for target in targets]),
            torch.stack([background_colour(context) for context in contexts]),
            torch.stack(mean_colours).expand_as(images),
            torch.stack(object_colours).expand_as(images),
        )

    @property
    def is_background_known(self) -> Tensor:
        """Whether the background of each object is known, [B]."""
        return self.background.isfinite().all(-1)

    def scores(self, metrics: Sequence[str], renders: Tensor) -> dict[str, Tensor]:
        """Each metric over all pixels, and the object's scores, of renders [B, T, 3, H, W]: [B, T] each."""
        return self._scores(metrics, renders, renders)

    def colour_scores(self, metrics: Sequence[str]) -> dict[str, Tensor]:
        """The same scores of one colour: for each score the colour that suits its pixels best, by the context."""
        return self._scores(metrics, self.mean_colour, self.object_colour)

    def _scores(self, metrics: Sequence[str], renders: Tensor, object_renders: Tensor) -> dict[str, Tensor]:
        truth, shown = self.images.flatten(0, 1), renders.flatten(0, 1)
        # behind an unknown background everything shown is scored
        charged = (self.mask | ~self.is_background_known[:, None, None, None]).flatten(0, 1)
        scores = image_scores(metrics, shown, truth)
        scores[OBJECT_PSNR] = masked_psnr(object_renders.flatten(0, 1), truth, self.mask.flatten(0, 1), MIN_MSE)
        scores[CHARGED_PSNR] = charged_psnr(shown, truth, charged)
        scores[MASK_IOU] = mask_iou(renders, self.mask, self.background).flatten()
        return {name: values.view(self.mask.shape[:2]).cpu() for name, values in scores.items()}


def is_unseen(loaded: Loaded, least_deg: float) -> Tensor:
    """Whether the camera of each target [T] is turned at least ``least_deg`` from that of every context frame."""
    context, target = (frames.cameras for frames in _split(loaded))
    assert context is not None and target is not None
    turns = target.w2c[:, None, :3, :3].double() @ context.w2c[None, :, :3, :3].double().mT
    return (rotation_angle_deg(turns).amin(1) >= least_deg).cpu()


def played_backwards(loaded: Loaded) -> Loaded:
    """The first clip with its last frame first: frame n becomes first + last - n."""
    clip, frames = loaded.sample.clips[0], loaded.frames[0]
    both = min(clip.numbers) + max(clip.numbers)
    context, target = (tuple(both - number for number in part[::-1]) for part in (clip.context, clip.target))
    mirrored = frames.take(range(len(clip.numbers))[::-1])
    mirrored = replace(mirrored, numbers=tuple(both - number for number in mirrored.numbers))
    return Loaded(replace(loaded.sample, clips=(Clip(clip.sequence, context, target),)), (mirrored,))


def _split(loaded: Loaded) -> tuple[Frames, Frames]:
    """The context and the targets of the first clip."""
    frames, clip = loaded.frames[0], loaded.sample.clips[0]
    return frames.take(clip.context_positions), frames.take(clip.target_positions)


def _mean_colour(images: Tensor, mask: Tensor) -> Tensor:
    """Mean [1, 3, 1, 1] of images [V, 3, H, W] over mask [V, H, W]."""
    total = (images.double() * mask[:, None]).sum((0, 2, 3), keepdim=True)
    return (total / mask.sum()).to(images.dtype)
