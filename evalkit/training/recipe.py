"""How a model is trained: steps, learning rate, clips; and where."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, field_validator

from evalkit.config.options import Options
from evalkit.training.frame_store import ClipOptions

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Strategy(StrEnum):
    """How several devices share the work."""

    AUTO = "auto"  # one device: nothing to share
    DDP = "ddp"  # each holds the whole model and a part of the batch
    FSDP = "fsdp"  # each holds a part of the model too


class Recipe(Options):
    """One training, whatever the model.

    ``batch`` is over all devices. A step whose gradient is longer than ``skip_norm`` is left out once ``skip_after``
    steps are done (RayZer's rule; null: never); one longer than ``clip_norm`` is shortened to it. ``nan_gradients``:
    stop, or take 0 for them as RayZer's code does. ``ema``: decay of the mean of the weights that is written beside
    them, null for none. ``prelude``: the shares of the training up to which clips come from its prelude alone, and from
    which on none does.
    """

    steps: Count
    batch: Count
    learning_rate: Positive
    final_learning_rate: NotNegative
    warm_up: Annotated[int, Field(ge=0)]
    betas: tuple[float, float]
    weight_decay: NotNegative
    clip_norm: Positive | None
    skip_norm: Positive | None
    skip_after: Annotated[int, Field(ge=0)]
    nan_gradients: Literal["stop", "zero"]
    ema: Annotated[float, Field(gt=0, lt=1)] | None
    precision: Literal["32-true", "bf16-mixed"]
    compile: bool
    save_every: Count
    log_every: Count
    clips: ClipOptions
    prelude: tuple[float, float]

    @field_validator("prelude")
    @classmethod
    def _ends_after_it_begins_to_end(cls, prelude: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= prelude[0] <= prelude[1] <= 1:
            raise ValueError("expected two shares of the training, the second at least the first")
        return prelude

    def opening(self, progress: float) -> float:
        """The chance that a step of the share ``progress`` of the training belongs to the prelude.

        >>> recipe = Recipe.model_construct(prelude=(0.2, 0.4))
        >>> [round(recipe.opening(progress), 2) for progress in (0.0, 0.2, 0.25, 0.4, 1.0)]
        [1.0, 1.0, 0.75, 0.0, 0.0]
        """
        alone, none = self.prelude
        if progress >= none:
            return 0.0
        return min((none - progress) / (none - alone), 1.0) if none > alone else 1.0

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then half a cosine down to the final one.

        >>> rates = Recipe.model_construct(steps=100, warm_up=10, learning_rate=1.0, final_learning_rate=0.2)
        >>> [round(rates.rate(step), 2) for step in (0, 9, 10, 55, 100)]
        [0.1, 1.0, 1.0, 0.6, 0.2]
        """
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        share = (step - self.warm_up) / max(self.steps - self.warm_up, 1)
        return self.final_learning_rate + (self.learning_rate - self.final_learning_rate) * (
            0.5 + 0.5 * math.cos(math.pi * min(share, 1.0))
        )
