"""Which scene a render shows: paired scene identity, since FID cannot catch a renderer that returns A's frames.

Frames of A and of B are drawn from one data set, so copied frames of A are distributed exactly as frames of B are. But
each is nearer to its own scene's frames than to the other's.
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
    """Whether each render [N, D] is nearer to a frame of its own scene [M, D] than to any of the other's [K, D].

    Features in, bool [N] out; Euclidean distance to the nearest frame, a tie counts as the other's.

    >>> shows_own_scene(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.2]]), torch.tensor([[1.0]])).tolist()
    [True, False]
    """
    return torch.cdist(renders, own).amin(-1) < torch.cdist(renders, other).amin(-1)


def features(images: Tensor, feature: Feature) -> Tensor:
    """Features of images [N, 3, H, W] in [0, 1] -> [N, D]. Raises MissingWeights where a network is not here."""
    return _FEATURES[feature](images)


def histogram_features(images: Tensor) -> Tensor:
    """Colours and edges of images [N, 3, H, W] in [0, 1] -> float64 [N, 536], Euclidean distance = Hellinger's x 2.

    The square root of a joint histogram of colours, 8 levels a channel (Swain and Ballard 1991), shared linearly
    between neighbouring bins, and of the directions of brightness gradients, weighted by their strength.
    """
    return torch.cat([_root(_colours(images.double())), _root(_directions(images.double()))], dim=1)


def _root(histogram: Tensor) -> Tensor:
    return (histogram / histogram.sum(1, keepdim=True).clamp_min(1e-12)).sqrt()


def _colours(images: Tensor) -> Tensor:
    """Joint histogram [N, 512]: each pixel is shared by the eight bins around its colour."""
    place = images.clamp(0, 1).flatten(2) * (_COLOUR_BINS - 1)  # [N, 3, P]
    below = place.floor().clamp_max(_COLOUR_BINS - 2)
    above = place - below
    histogram = images.new_zeros(len(images), _COLOUR_BINS**3)
    for corner in torch.cartesian_prod(*[torch.arange(2, device=images.device)] * 3):
        share = torch.where(corner[:, None] == 1, above, 1 - above).prod(1)
        index = below.long() + corner[:, None]
        flat = (index[:, 0] * _COLOUR_BINS + index[:, 1]) * _COLOUR_BINS + index[:, 2]
        histogram.scatter_add_(1, flat, share)
    return histogram


def _directions(images: Tensor) -> Tensor:
    """Histogram [N, 24] of the directions of gradients, one octave of scale after another."""
    grey, histograms = images.mean(1, keepdim=True), []
    for _ in range(3):
        across = grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2]
        down = grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]
        strength = (across.square() + down.square()).sqrt().flatten(1)
        turn = (torch.atan2(down, across).flatten(1) / (2 * torch.pi) % 1.0) * _DIRECTION_BINS
        below, share = turn.floor(), turn - turn.floor()
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
