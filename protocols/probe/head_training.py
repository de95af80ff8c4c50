"""Training of heads on frozen pose codes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from evalkit.seeds import generator
from evalkit.training.pose_loss import RelativePoses, l1_pose_loss
from protocols.probe.heads import POSE_NUMBERS, Head, predict, rescaled
from protocols.probe.options import HeadOptions, Rescale

_STEPS_BETWEEN_VALIDATIONS = 10


def train(
    inputs: Tensor,
    true: RelativePoses,
    training_clips: Tensor,
    validation_clips: Tensor,
    hidden: Sequence[int],
    options: HeadOptions,
    identity: tuple[str | int, ...],
) -> Head:
    """Train a head and return, for each seed, the weights with the lowest validation loss.

    Args:
        inputs: standardised inputs [N, V, D] of all clips.
        true: true poses [N, V].
        training_clips, validation_clips: indices of clips.
        hidden: widths of the hidden layers; empty for a linear head.
        options: how to train.
        identity: seeds the first weights and the order of clips; nothing else is random.
    """
    sizes = [inputs.shape[-1], *hidden, POSE_NUMBERS]
    head = Head.create(sizes, options.seeds, _mean_pose(true[training_clips]), identity)
    best = _BestWeights(head, options.seeds)
    optimiser = torch.optim.AdamW(head.parameters(), options.learning_rate, weight_decay=options.weight_decay)
    for parameter in head.parameters():
        parameter.requires_grad_()
    for step, batch in enumerate(_batches(training_clips, options, identity)):
        learning_rate = options.learning_rate * (1 + math.cos(math.pi * step / options.steps)) / 2
        optimiser.param_groups[0]["lr"] = learning_rate
        optimiser.zero_grad()
        with torch.enable_grad():
            _loss(head(inputs[batch]), true[batch], options.rescale).sum().backward()
        optimiser.step()
        if (step + 1) % _STEPS_BETWEEN_VALIDATIONS and step + 1 < options.steps:
            continue
        best.update(head, _loss(predict(head, inputs[validation_clips]), true[validation_clips], options.rescale))
        if best.steps_since_better >= options.patience:
            break
    return best.head()


class _BestWeights:
    """The weights with the lowest validation loss so far, for each seed."""

    def __init__(self, head: Head, seeds: int) -> None:
        self.parameters = [parameter.clone() for parameter in head.parameters()]
        self.lowest_loss = torch.full((seeds,), math.inf)
        self.steps_since_better = 0

    def update(self, head: Head, loss: Tensor) -> None:
        """Keep the weights of the seeds whose validation loss [S] is the lowest so far."""
        is_better = loss < self.lowest_loss
        for best, current in zip(self.parameters, head.parameters(), strict=True):
            best[is_better] = current.detach()[is_better]
        self.lowest_loss = torch.minimum(loss, self.lowest_loss)
        self.steps_since_better = 0 if is_better.any() else self.steps_since_better + _STEPS_BETWEEN_VALIDATIONS

    def head(self) -> Head:
        """Return the head with these weights."""
        layers = len(self.parameters) // 2
        return Head(tuple(self.parameters[:layers]), tuple(self.parameters[layers:]))


def _mean_pose(true: RelativePoses) -> Tensor:
    """Mean translation and matrix [12] of the poses that count: the best constant output to start from."""
    rows = torch.cat([true.translation[true.counts], true.rotation[true.counts].flatten(1)], dim=1)
    return rows.mean(0)


def _loss(predicted: tuple[Tensor, Tensor], true: RelativePoses, rescale: Rescale) -> Tensor:
    """Losses [S] of rotations and translations [S, N, V, ...], the latter rescaled."""
    rotation, translation = predicted
    return l1_pose_loss(rotation, rescaled(translation, true.translation, true.counts, rescale), true)


def _batches(training_clips: Tensor, options: HeadOptions, identity: tuple[str | int, ...]) -> Tensor:
    """Clips of each step and seed [steps, S, B]: all clips once, then all clips in another order, and so on."""
    size = min(options.batch, len(training_clips))
    epochs = math.ceil(options.steps * size / len(training_clips))
    clips_of_seeds = []
    for seed in range(options.seeds):
        rng = generator(*identity, "order", seed)
        order = np.concatenate([rng.permutation(len(training_clips)) for _ in range(epochs)])
        clips = training_clips[torch.from_numpy(order[: options.steps * size])]
        clips_of_seeds.append(clips.view(options.steps, size))
    return torch.stack(clips_of_seeds, dim=1)
