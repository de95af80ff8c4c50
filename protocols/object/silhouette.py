"""The object's pixels, the colour behind it, and its silhouette in a render that has no alpha."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from evalkit.metrics.image import mse
from evalkit.metrics.named import MIN_MSE
from evalkit.views import Frames

PAINTED = 0.1  # a pixel belongs to a silhouette if a channel differs by more from the background
PLAIN = 0.02  # a background is known if nearly all of its pixels differ by less from their median, in every channel
NEARLY_ALL = 0.95
BORDER = 32  # of a side of so many pixels, one beside the object is left out: it is mixed with the object's colour


def object_mask(frames: Frames) -> Tensor:
    """The object's pixels [V, H, W]: the dataset's mask, else finite depth; all pixels of a frame that has neither."""
    if frames.mask is not None:
        mask = frames.mask
    elif frames.depth is not None:
        mask = frames.depth.isfinite() & (frames.depth > 0)
    else:
        return torch.ones_like(frames.images[:, 0], dtype=torch.bool)
    return mask | ~mask.any(-1, keepdim=True).any(-2, keepdim=True)


def background_colour(frames: Frames) -> Tensor:
    """The one colour [3] behind the object; NaN where there is none: no background, or one of several colours."""
    mask = object_mask(frames)
    border = max(1, round(mask.shape[-1] / BORDER))
    near = max_pool2d(mask[:, None].float(), 2 * border + 1, 1, border)[:, 0] > 0
    outside = frames.images.movedim(1, -1)[~near].float()
    if not len(outside):
        return torch.full((3,), torch.nan, device=mask.device)
    colour = outside.median(dim=0).values
    is_plain = ((outside - colour).abs().amax(-1) < PLAIN).double().mean() >= NEARLY_ALL
    return torch.where(is_plain, colour, torch.nan)


def silhouettes(images: Tensor, background: Tensor) -> Tensor:
    """The pixels [B, T, H, W] of images [B, T, 3, H, W] that differ from the background [B, 3]; none if it is NaN."""
    return ((images - background[:, None, :, None, None]).abs() > PAINTED).any(2)


def mask_iou(images: Tensor, mask: Tensor, background: Tensor) -> Tensor:
    """Intersection over union of silhouettes in images [B, T, 3, H, W] and the object's pixels [B, T, H, W]: [B, T].

    NaN where the background [B, 3] is not known.
    """
    painted = silhouettes(images, background)
    iou = (painted & mask).sum((2, 3)).double() / (painted | mask).sum((2, 3))
    return torch.where(background.isnan().any(-1)[:, None], torch.nan, iou)


def charged_psnr(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """PSNR of images [N, 3, H, W] where the squared error of all pixels is divided by those of the object [N, H, W].

    What is painted outside the object adds to the error, and nothing divides it: unlike the error over a union of two
    masks, it cannot be thinned by painting easy pixels. With a mask of all pixels it is PSNR.

    >>> images = torch.zeros(1, 3, 2, 2), torch.tensor([[[[0.2, 0.0], [0.0, 0.2]]]]).expand(1, 3, 2, 2)
    >>> charged_psnr(*images, torch.tensor([[[True, False], [False, False]]])).round(decimals=4).tolist()
    [10.9691]
    """
    share = mask.double().mean((1, 2))
    return -10 * torch.log10((mse(pred, target) / share).clamp_min(MIN_MSE))
