"""What can be trained: a network that draws its own clips and says what it loses on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from torch import Tensor, nn

from evalkit.training.clip_batch import ClipBatch

LOSS = "loss"  # of all the numbers that a trainee returns, the one that is minimised


class Trainee(nn.Module, ABC):
    """A network with its objective. All randomness comes from the generator it is handed, one a step, so that a
    step's outcome depends on the weights and the step's number alone. ``network`` is what is kept of it.
    ``needs_cameras``: its clips come with their true cameras; without, it never sees one."""

    needs_cameras: ClassVar[bool] = False
    network: nn.Module

    @abstractmethod
    def views(self, rng: np.random.Generator) -> int:
        """How many frames the clips of this step have."""

    def repeated(self) -> Iterable[nn.Module]:
        """The blocks that the network is a stack of: what is worth compiling, each once for all its like."""
        return ()

    @abstractmethod
    def forward(self, clips: ClipBatch, rng: np.random.Generator, progress: float) -> dict[str, Tensor]:
        """Scalars by name, `LOSS` among them, of clips [B, V].

        ``progress`` in [0, 1] is the share of the training that is done.
        """
