"""Inputs of the heads beside pose codes: small images and noise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from evalkit.seeds import generator


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
