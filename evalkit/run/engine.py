"""What an engine is: something that computes the missing blocks of planned runs and hands their rows to a sink.

A task holds settings, not objects, so that an engine may rebuild everything in another process or on another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from evalkit.config.run import RunConfig
from evalkit.protocol import Sample
from evalkit.run.records import Row

if TYPE_CHECKING:
    from torch import Tensor

    from evalkit.card import Card, TargetPose

Advance = Callable[[int, int], None]  # told of progress: the task's position, and samples that are done


class Sink(Protocol):
    """Where the results of one run go. A sample's arrays, renders and pictures are handed over before its row."""

    def claim(self) -> AbstractContextManager[object]:
        """Become the only writer of this share of the run. Raises UserError where another process is."""
        ...

    def rows(self) -> dict[str, Row]:
        """Return the rows that are there already, by sample id."""
        ...

    def append(self, rows: Sequence[Row]) -> None:
        """Take rows, all or none of them."""
        ...

    def append_times(self, seconds: Mapping[str, float]) -> None:
        """Take the seconds that the method took for each sample."""
        ...

    def save_arrays(self, sample_id: str, arrays: Mapping[str, Tensor]) -> None:
        """Take a sample's arrays."""
        ...

    def save_render(self, sample_id: str, render: Tensor) -> None:
        """Take a render [T, 3, H, W]."""
        ...

    def save_renders_card(self, card: Card, target_pose: TargetPose) -> None:
        """Take what is said beside the renders."""
        ...

    def save_picture(self, sample_id: str, png: bytes) -> None:
        """Take a picture of a sample."""
        ...


@dataclass(frozen=True)
class Task:
    """What is missing of one run: its settings, blocks of samples, those that get a picture, and where results go."""

    config: RunConfig
    device: str
    blocks: Sequence[Sequence[Sample]]
    pictured: frozenset[str]
    sink: Sink


class Engine(Protocol):
    """Computes tasks that differ in their baseline only, so that one pass over the data can serve them all."""

    def run(self, tasks: Sequence[Task], advance: Advance) -> None:
        """Compute all blocks of all tasks. Stopped at any time, it leaves whole rows behind."""
        ...
