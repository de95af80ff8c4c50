"""Inputs of the heads: pose codes of any width, small images and noise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from evalkit.seeds import generator


def projected(codes: Tensor, width: int) -> Tensor:
    """Reduce codes [..., D] to at most ``width`` numbers by a fixed random projection; float32, on the CPU.

    Codes of D <= ``width`` are returned as they are. The projection adds each number, with a random sign, to one of
    ``width`` sums; signs and sums depend on D and ``width`` alone. Inner products change by an error of order
    1 / sqrt(width).

    Source: feature hashing, Weinberger et al., ICML 2009.
    """
    codes = codes.detach().float().cpu()
    if codes.shape[-1] <= width:
        return codes
    rng = generator("probe", "narrowed", codes.shape[-1], width)
    bins = torch.from_numpy(rng.integers(width, size=codes.shape[-1]))
    signs = torch.from_numpy(rng.integers(2, size=codes.shape[-1]) * 2 - 1).float()
    return codes.new_zeros(*codes.shape[:-1], width).index_add_(-1, bins, codes * signs)


def thumbnails(images: Tensor, reference: int, side: int) -> Tensor:
    """Average images [V, 3, H, W] to ``side`` x ``side`` pixels and subtract the reference view's: [V, 3 side side]."""
    small = adaptive_avg_pool2d(images.detach().float().cpu(), side).flatten(1)
    return small - small[reference]


def noise(sample_id: str, views: int, width: int) -> Tensor:
    """Independent normal numbers [views, width], seeded by the sample's id: they say nothing about the camera."""
    return torch.from_numpy(generator("probe", "noise", sample_id).standard_normal((views, width))).float()


def standardised(inputs: Tensor, is_training: Tensor) -> Tensor:
    """Shift and scale inputs [N, V, D] to mean 0 and deviation 1 over the training views, ``is_training`` [N, V].

    A number that does not vary over the training views becomes 0 everywhere.
    """
    training_inputs = inputs[is_training]
    mean, deviation = training_inputs.mean(0), training_inputs.std(0, correction=0)
    varies = deviation > 1e-6 * deviation.max()
    return (inputs - mean) / torch.where(varies, deviation, 1.0) * varies
