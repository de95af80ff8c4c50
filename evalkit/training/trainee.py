"""What a method needs so that `evalkit train` can train it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Protocol

import numpy as np
from torch import Tensor, nn

from evalkit.training.clip_batch import ClipBatch
from evalkit.training.options import ModelOptions

LOSS = "loss"  # of the numbers that a trainee returns, the one that is minimised


class Trainee(nn.Module, ABC):
    """A network with its training objective.

    All randomness comes from the generator that each call is given, so that a step depends on the weights and on its
    number only. ``network`` is what is kept of it. ``needs_cameras``: clips come with their true cameras; otherwise
    without.
    """

    needs_cameras: ClassVar[bool] = False
    network: nn.Module

    @abstractmethod
    def views(self, rng: np.random.Generator) -> int:
        """How many views the clips of this step have."""

    def repeated(self) -> Iterable[nn.Module]:
        """The repeated blocks of the network, which are worth compiling: each kind is compiled once."""
        return ()

    @abstractmethod
    def forward(self, clips: ClipBatch, rng: np.random.Generator, progress: float) -> dict[str, Tensor]:
        """Compute scalars by name, `LOSS` among them.

        Args:
            clips: clips [B, V].
            rng: the source of all randomness of this step.
            progress: share of the training that is done, in [0, 1].
        """


class Trainable(Protocol):
    """A baseline that can be trained.

    Its light class also has ``Model``, a subclass of `ModelOptions`, and the folder of that class's module has
    ``recipes/mini.yaml`` (see `evalkit.training.settings.RecipeFile`); ``ablations/`` beside it is optional.
    """

    Model: type[ModelOptions]

    @staticmethod
    def trainee(model: Any) -> Trainee:
        """The untrained network of these settings, with its objective."""
        ...
