"""Training of probes: small heads that read relative poses from frozen codes, several seeds side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import gelu

from evalkit.config.options import Options
from evalkit.seeds import generator
from protocols.probe.rotation import nearest_rotation

_EVERY = 10  # steps between two looks at the validation scenes
_LEAST_SCALE = 0.1  # of Rescale.POSITIVE


class Rescale(StrEnum):
    """Whether a clip's predicted translations are brought to the scale of the true ones, by least squares."""

    NONE = "none"  # taken at face value
    SIGNED = "signed"  # XFactor's: a reversed trajectory is explained away
    POSITIVE = "positive"  # never below a tenth: a reversed trajectory is wrong


class TrainingOptions(Options):
    """How heads are trained: AdamW, its rate falling to 0 along a cosine. ``hidden`` are the widths of the MLP."""

    hidden: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    rescale: Rescale
    seeds: Annotated[int, Field(ge=3)]
    steps: Annotated[int, Field(ge=1)]
    patience: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Poses:
    """Poses of views relative to a reference: rotation [..., V, 3, 3], translation [..., V, 3].

    ``counts`` [..., V] (bool) marks the views that count: not the reference, whose pose is the identity by
    definition, nor padding.
    """

    rotation: Tensor
    translation: Tensor
    counts: Tensor

    @staticmethod
    def of(w2c: Tensor, counts: Tensor) -> Poses:
        """Poses of cameras [..., V, 4, 4] (or without their last row) relative to a reference, in float32.

        Translations become fractions of the clip's largest distance from the reference among the views that count.
        """
        distance = (w2c[..., :3, 3].norm(dim=-1) * counts).amax(-1)
        unit = torch.where(distance > 0, distance, 1.0)[..., None, None]
        return Poses(w2c[..., :3, :3].float(), (w2c[..., :3, 3] / unit).float(), counts)

    def __getitem__(self, index: Tensor) -> Poses:
        """Index the leading dimension."""
        return Poses(self.rotation[index], self.translation[index], self.counts[index])


@dataclass(frozen=True)
class Head:
    """An MLP with GELU between its layers, once for each of S seeds: weights [S, in, out], biases [S, 1, out]."""

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    @staticmethod
    def start(sizes: Sequence[int], seeds: int, bias: Tensor, identity: tuple[str | int, ...]) -> Head:
        """Normal weights of variance 1/in; the last layer is 0 with ``bias``, so that all begin as a constant."""
        weights = []
        for layer, (inner, outer) in enumerate(pairwise(sizes[:-1])):
            drawn = [generator(*identity, "layer", layer, s).standard_normal((inner, outer)) for s in range(seeds)]
            weights.append(torch.from_numpy(np.stack(drawn) / math.sqrt(inner)).float())
        weights.append(torch.zeros(seeds, sizes[-2], sizes[-1]))
        biases = [torch.zeros(seeds, 1, size) for size in sizes[1:-1]]
        return Head(tuple(weights), (*biases, bias.repeat(seeds, 1, 1)))

    def __call__(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Rotations [S, N, V, 3, 3] and translations [S, N, V, 3] from inputs [S, N, V, D]."""
        values = inputs.flatten(1, 2)
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = torch.baddbmm(bias, gelu(values) if layer else values, weight)
        values = values.view(*inputs.shape[:3], 12)
        return nearest_rotation(values[..., 3:].reshape(*inputs.shape[:3], 3, 3)), values[..., :3]

    def parameters(self) -> list[Tensor]:
        """All tensors, each with the seeds in its first dimension."""
        return [*self.weights, *self.biases]


def rescaled(predicted: Tensor, true: Tensor, counts: Tensor, how: Rescale) -> Tensor:
    """Predicted translations [..., V, 3] times the scale that brings them nearest to the true ones, one a clip."""
    if how is Rescale.NONE:
        return predicted
    kept = predicted * counts[..., None]
    scale = (kept * true).sum((-2, -1)) / kept.square().sum((-2, -1)).clamp_min(1e-12)
    if how is Rescale.POSITIVE:
        scale = scale.clamp_min(_LEAST_SCALE)
    return scale[..., None, None] * predicted


def losses(rotation: Tensor, translation: Tensor, true: Poses, how: Rescale) -> Tensor:
    """L1 on the entries of R and of t, over the views that count: [S, N, V, ...] -> one loss a seed [S]."""
    off = (rotation - true.rotation).abs().mean((-2, -1))
    off = off + (rescaled(translation, true.translation, true.counts, how) - true.translation).abs().mean(-1)
    return (off * true.counts).sum((1, 2)) / true.counts.expand_as(off).sum((1, 2))


def train(
    inputs: Tensor,
    true: Poses,
    parts: tuple[Tensor, Tensor],
    hidden: Sequence[int],
    options: TrainingOptions,
    identity: tuple[str | int, ...],
) -> Head:
    """Train a head on standardised ``inputs`` [N, V, D]; the best weights of each seed on the validation clips.

    ``parts`` are the indices of the training and the validation clips, ``hidden`` the widths between input and
    output, none for a linear head. ``identity`` seeds the first weights and the order of clips; nothing else does.
    """
    trained, watched = parts
    counts = true.counts[trained]
    targets = torch.cat([true.translation[trained][counts], true.rotation[trained][counts].flatten(1)], dim=1)
    head = Head.start([inputs.shape[-1], *hidden, 12], options.seeds, targets.mean(0), identity)
    best = [each.clone() for each in head.parameters()]
    lowest, since = torch.full((options.seeds,), math.inf), 0
    optimiser = torch.optim.AdamW(head.parameters(), options.learning_rate, weight_decay=options.weight_decay)
    for each in head.parameters():
        each.requires_grad_()
    for step, batch in enumerate(_batches(trained, options, identity)):
        optimiser.param_groups[0]["lr"] = options.learning_rate * (1 + math.cos(math.pi * step / options.steps)) / 2
        optimiser.zero_grad()
        with torch.enable_grad():
            losses(*head(inputs[batch]), true[batch], options.rescale).sum().backward()
        optimiser.step()
        if (step + 1) % _EVERY and step + 1 < options.steps:
            continue
        found = losses(*predict(head, inputs[watched]), true[watched], options.rescale)
        better = found < lowest
        for kept, now in zip(best, head.parameters(), strict=True):
            kept[better] = now.detach()[better]
        lowest, since = torch.minimum(found, lowest), 0 if better.any() else since + _EVERY
        if since >= options.patience:
            break
    layers = len(head.weights)
    return Head(tuple(best[:layers]), tuple(best[layers:]))


@torch.no_grad()
def predict(head: Head, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """What each seed's head says of the same inputs [N, V, D]."""
    return head(inputs.expand(len(head.weights[0]), *inputs.shape))


def _batches(trained: Tensor, options: TrainingOptions, identity: tuple[str | int, ...]) -> Tensor:
    """Clips of each step and seed [steps, S, B]: every clip once, in a new order each time round."""
    size = min(options.batch, len(trained))
    rounds = math.ceil(options.steps * size / len(trained))
    drawn = []
    for seed in range(options.seeds):
        random = generator(*identity, "order", seed)
        order = np.concatenate([random.permutation(len(trained)) for _ in range(rounds)])
        drawn.append(trained[torch.from_numpy(order[: options.steps * size])].view(options.steps, size))
    return torch.stack(drawn, dim=1)
