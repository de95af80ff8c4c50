"""Heads: small networks that read the relative pose of a view from its code, several seeds in one batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import gelu

from evalkit.seeds import generator
from protocols.probe.nearest_rotation import nearest_rotation
from protocols.probe.options import Rescale

POSE_NUMBERS = 12  # of a head's output: 3 of translation, then a 3x3 matrix
_MIN_POSITIVE_SCALE = 0.1


@dataclass(frozen=True)
class Head:
    """An MLP with GELU between its layers, one for each of S seeds: weights [S, in, out], biases [S, 1, out]."""

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    @staticmethod
    def create(sizes: Sequence[int], seeds: int, bias: Tensor, identity: tuple[str | int, ...]) -> Head:
        """Create an untrained head whose output is the constant ``bias``.

        Args:
            sizes: widths of input, hidden layers and output.
            seeds: number of heads.
            bias: output [sizes[-1]] of the untrained head; the last layer's weights are 0.
            identity: seeds the other weights, which are normal with variance 1/in.
        """
        weights = []
        for layer, (inner, outer) in enumerate(pairwise(sizes[:-1])):
            drawn = [
                generator(*identity, "layer", layer, seed).standard_normal((inner, outer)) for seed in range(seeds)
            ]
            weights.append(torch.from_numpy(np.stack(drawn) / math.sqrt(inner)).float())
        weights.append(torch.zeros(seeds, sizes[-2], sizes[-1]))
        biases = [torch.zeros(seeds, 1, size) for size in sizes[1:-1]]
        return Head(tuple(weights), (*biases, bias.repeat(seeds, 1, 1)))

    def __call__(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Rotations [S, N, V, 3, 3] and translations [S, N, V, 3] from inputs [S, N, V, D]."""
        values = inputs.flatten(1, 2)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = torch.baddbmm(bias, gelu(values) if layer else values, weight)
        values = values.view(*inputs.shape[:3], POSE_NUMBERS)
        return nearest_rotation(values[..., 3:].reshape(*inputs.shape[:3], 3, 3)), values[..., :3]

    def parameters(self) -> list[Tensor]:
        """All weights, then all biases; the first dimension of each is the seed."""
        return [*self.weights, *self.biases]


@torch.no_grad()
def predict(head: Head, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Read rotations [S, N, V, 3, 3] and translations [S, N, V, 3] from inputs [N, V, D], by the head of each seed."""
    return head(inputs.expand(len(head.weights[0]), *inputs.shape))


def rescaled(predicted: Tensor, true: Tensor, counts: Tensor, rescale: Rescale) -> Tensor:
    """Scale predicted translations [..., V, 3] to the true ones by least squares, one scale a clip.

    ``counts`` [..., V] marks the views that the scale is computed from.
    """
    if rescale is Rescale.NONE:
        return predicted
    counted = predicted * counts[..., None]
    scale = (counted * true).sum((-2, -1)) / counted.square().sum((-2, -1)).clamp_min(1e-12)
    if rescale is Rescale.POSITIVE:
        scale = scale.clamp_min(_MIN_POSITIVE_SCALE)
    return scale[..., None, None] * predicted
