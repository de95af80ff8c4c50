"""Scene identity: which of two scenes a render shows, by the nearest real frame.

FID cannot expose a method that returns frames of clip A instead of rendering the scene of clip B: both clips are from
one data set, so that their frames have the same distribution. But a frame is nearer to frames of its own scene than to
those of the other.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from evalkit.metrics.identity_feature import NETWORKS as NETWORKS
from evalkit.metrics.identity_feature import Feature as Feature
from evalkit.metrics.inception import inception_features

_COLOUR_BINS, _DIRECTION_BINS = 8, 8


def shows_own_scene(renders: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """Return which renders are nearer to a frame of their own scene than to any frame of the other, bool [N].

    Euclidean distance to the nearest frame; a tie counts for the other scene.

    Args:
        renders, own, other: features [N, D], [M, D] and [K, D].

    >>> shows_own_scene(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.2]]), torch.tensor([[1.0]])).tolist()
    [True, False]
    """
    return torch.cdist(renders, own).amin(-1) < torch.cdist(renders, other).amin(-1)


def features(images: Tensor, feature: Feature) -> Tensor:
    """Return features [N, D] of images [N, 3, H, W] in [0, 1]. Raises MissingWeights where a network is missing."""
    return _FEATURES[feature](images)


def histogram_features(images: Tensor) -> Tensor:
    """Return square roots of histograms of images [N, 3, H, W] in [0, 1] -> float64 [N, 536].

    A joint histogram of colours, 8 bins per channel with linear weights for neighbouring bins (Swain and Ballard 1991),
    and one of the directions of brightness gradients, weighted by their strength. Because of the square roots,
    Euclidean distances are proportional to Hellinger distances.
    """
    return torch.cat([_root(_colours(images.double())), _root(_directions(images.double()))], dim=1)


def _root(histogram: Tensor) -> Tensor:
    return (histogram / histogram.sum(1, keepdim=True).clamp_min(1e-12)).sqrt()


def _colours(images: Tensor) -> Tensor:
    """Return the joint histogram of colours [N, 512]; a pixel is divided between the eight nearest bins."""
    level = images.clamp(0, 1).flatten(2) * (_COLOUR_BINS - 1)  # [N, 3, P]
    below = level.floor().clamp_max(_COLOUR_BINS - 2)
    above = level - below
    histogram = images.new_zeros(len(images), _COLOUR_BINS**3)
    for corner in torch.cartesian_prod(*[torch.arange(2, device=images.device)] * 3):
        share = torch.where(corner[:, None] == 1, above, 1 - above).prod(1)
        index = below.long() + corner[:, None]
        flat = (index[:, 0] * _COLOUR_BINS + index[:, 1]) * _COLOUR_BINS + index[:, 2]
        histogram.scatter_add_(1, flat, share)
    return histogram


def _directions(images: Tensor) -> Tensor:
    """Return histograms of the directions of gradients [N, 24], at three scales that differ by a factor of 2."""
    grey, histograms = images.mean(1, keepdim=True), []
    for _ in range(3):
        across = grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2]
        down = grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]
        strength = (across.square() + down.square()).sqrt().flatten(1)
        direction = (torch.atan2(down, across).flatten(1) / (2 * torch.pi) % 1.0) * _DIRECTION_BINS
        below, share = direction.floor(), direction - direction.floor()
        histogram = images.new_zeros(len(images), _DIRECTION_BINS)
        histogram.scatter_add_(1, below.long() % _DIRECTION_BINS, strength * (1 - share))
        histogram.scatter_add_(1, (below.long() + 1) % _DIRECTION_BINS, strength * share)
        histograms.append(histogram)
        grey = torch.nn.functional.avg_pool2d(grey, 2)
    return torch.cat(histograms, 1)


_FEATURES: dict[Feature, Callable[[Tensor], Tensor]] = {
    Feature.HISTOGRAM: histogram_features,
    Feature.INCEPTION: inception_features,
}
