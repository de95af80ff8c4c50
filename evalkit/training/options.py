"""Settings of a training: its recipe, how clips are drawn, and how the command runs. No torch is imported here."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, field_validator

from evalkit.config.options import Options

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
PixelLoss = Literal["l1", "mse"]


class Strategy(StrEnum):
    """How several devices share the work."""

    AUTO = "auto"  # one device
    DDP = "ddp"  # each device holds the whole model and takes a part of the batch
    FSDP = "fsdp"  # each device also holds only a part of the model


class ModelOptions(Options):
    """Settings of a network that can be trained. Weight files keep them in their header."""

    resolution: Annotated[int, Field(ge=1, description="Side of the square images, in pixels.")]


class ClipSampling(Options):
    """How clips are drawn from sequences."""

    stride: Annotated[int, Field(ge=1, description="Every how many frames of a sequence one is kept.")] = 1
    shortest: Annotated[int, Field(ge=1, description="Smallest distance from first to last view, in frames.")] = 2
    longest: Annotated[
        tuple[int, int],
        Field(
            description="Largest distance from first to last view, in frames: at the first step, after `curriculum`."
        ),
    ]
    curriculum: Annotated[Share, Field(description="Share of the training over which `longest` grows; 0: none.")] = 0.0
    reverse: Annotated[Share, Field(description="Chance that a clip runs backwards in time.")] = 0.5
    mirror: Annotated[Share, Field(description="Chance that a clip is mirrored left to right.")] = 0.0

    def window(self, progress: float, views: int) -> tuple[int, int]:
        """Shortest and longest window of a clip at the share ``progress`` of the training.

        Both are inclusive distances in kept frames. A window has room for ``views`` frames.
        """
        share = 1.0 if self.curriculum == 0 else min(progress / self.curriculum, 1.0)
        longest = self.longest[0] + share * (self.longest[1] - self.longest[0])
        low = max(round(self.shortest / self.stride), views - 1)
        return low, max(round(longest / self.stride), low)


class Recipe(Options):
    """How a model is trained, whatever the model."""

    steps: Annotated[int, Field(ge=1, description="Optimiser steps.")]
    batch: Annotated[int, Field(ge=1, description="Clips of a step, over all devices.")]
    learning_rate: Annotated[float, Field(gt=0, description="Largest learning rate, reached after the warm-up.")]
    final_learning_rate: Annotated[
        NotNegative, Field(description="Learning rate of the last step; a cosine leads to it.")
    ] = 0.0
    warm_up: Annotated[int, Field(ge=0, description="Steps over which the learning rate rises from 0.")] = 0
    betas: Annotated[tuple[float, float], Field(description="Betas of AdamW.")] = (0.9, 0.95)
    weight_decay: Annotated[
        NotNegative, Field(description="Weight decay of AdamW; norms, biases and learnt tokens have none.")
    ] = 0.005
    clip_norm: Annotated[
        Annotated[float, Field(gt=0)] | None, Field(description="Longer gradients are shortened to this; null: never.")
    ] = 1.0
    skip_norm: Annotated[
        Annotated[float, Field(gt=0)] | None,
        Field(description="Steps with a longer gradient are left out (RayZer's rule); null: never."),
    ] = None
    skip_after: Annotated[int, Field(ge=0, description="Steps done before `skip_norm` counts.")] = 0
    nan_gradients: Annotated[
        Literal["stop", "zero"],
        Field(description="What a gradient that is not finite does: stop the training, or count as 0 (RayZer's code)."),
    ] = "stop"
    ema: Annotated[
        Annotated[float, Field(gt=0, lt=1)] | None,
        Field(description="Decay of the running mean of weights, which is then what is kept; null: no mean."),
    ] = None
    precision: Annotated[Literal["32-true", "bf16-mixed"], Field(description="Precision of the computation.")] = (
        "bf16-mixed"
    )
    compile: Annotated[bool, Field(description="Compile the repeated blocks with torch.compile.")] = True
    save_every: Annotated[int, Field(ge=1, description="Steps between checkpoints.")] = 250
    log_every: Annotated[int, Field(ge=1, description="Steps between rows of log.csv.")] = 50
    clips: Annotated[ClipSampling, Field(description="How clips are drawn.")]
    pan_stage: Annotated[
        tuple[float, float],
        Field(
            description="A first stage on cameras that only turn (`pan_dataset` of the recipe file). Two shares of the "
            "training: all clips are pans before the first, none after the second."
        ),
    ] = (0.0, 0.0)

    @field_validator("pan_stage")
    @classmethod
    def _in_order(cls, pan_stage: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= pan_stage[0] <= pan_stage[1] <= 1:
            raise ValueError("expected two shares of the training, the second at least the first")
        return pan_stage

    def pan_chance(self, progress: float) -> float:
        """Chance that a step at the share ``progress`` of the training draws its clips from pans.

        >>> recipe = Recipe.model_construct(pan_stage=(0.2, 0.4))
        >>> [round(recipe.pan_chance(progress), 2) for progress in (0.0, 0.2, 0.25, 0.4, 1.0)]
        [1.0, 1.0, 0.75, 0.0, 0.0]
        """
        all_until, none_from = self.pan_stage
        if progress >= none_from:
            return 0.0
        return min((none_from - progress) / (none_from - all_until), 1.0) if none_from > all_until else 1.0

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step: a linear warm-up, then half a cosine down to the final one.

        >>> recipe = Recipe.model_construct(steps=100, warm_up=10, learning_rate=1.0, final_learning_rate=0.2)
        >>> [round(recipe.learning_rate_at(step), 2) for step in (0, 9, 10, 55, 100)]
        [0.1, 1.0, 1.0, 0.6, 0.2]
        """
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        share = (step - self.warm_up) / max(self.steps - self.warm_up, 1)
        return self.final_learning_rate + (self.learning_rate - self.final_learning_rate) * (
            0.5 + 0.5 * math.cos(math.pi * min(share, 1.0))
        )


class GeneralOptions(Options):
    """Keys of `evalkit train` outside of groups: where a training starts, runs and lies."""

    start: Annotated[
        str | None, Field(description="A file of weights to start from (XFactor's second stage); null: from the seed.")
    ] = None
    seed: Annotated[int, Field(description="Seed of the first weights and of every draw.")] = 0
    device: Annotated[
        Literal["auto", "cpu", "cuda"], Field(description="auto takes GPUs where there are some; number: `devices`.")
    ] = "auto"
    devices: Annotated[int, Field(ge=1, description="How many devices.")] = 1
    strategy: Annotated[Strategy, Field(description="How several devices share the work.")] = Strategy.AUTO
    out: Annotated[str, Field(description="Folder of all trainings.")] = "trainings"
