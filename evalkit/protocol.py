"""What a protocol is: samples in, one row a sample, a summary. Everything else works on samples and rows."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

from evalkit.data.preprocess import Preprocess
from evalkit.method import Card, Method, TargetPose
from evalkit.views import Frames

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.stats.bootstrap import Interval

Value = float | int | str | bool | list[str]
Predictions = Mapping[str, Tensor]  # what a method has to show, each [B, ...]; images under `RENDERS`
Arrays = Callable[[str], Mapping[str, Tensor]]  # the arrays kept of a sample, by its id
RENDERS = "renders"  # [B, T, 3, H, W] in [0, 1]


@dataclass(frozen=True)
class Clip:
    """Frames of one sequence, by number: those a method may build a scene from, and those it must render."""

    sequence: str
    context: tuple[int, ...]
    target: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """All frame numbers in temporal order; a frame that is both context and target stands twice."""
        return tuple(number for number, _, _ in self._order())

    @property
    def context_positions(self) -> tuple[int, ...]:
        """Where the context frames stand in ``numbers``."""
        return tuple(i for i, (_, is_target, _) in enumerate(self._order()) if not is_target)

    @property
    def target_positions(self) -> tuple[int, ...]:
        """Where the target frames stand in ``numbers``."""
        return tuple(i for i, (_, is_target, _) in enumerate(self._order()) if is_target)

    def _order(self) -> list[tuple[int, bool, int]]:
        context = [(number, False, i) for i, number in enumerate(self.context)]
        target = [(number, True, i) for i, number in enumerate(self.target)]
        return sorted(context + target)


@dataclass(frozen=True)
class Sample:
    """The unit of work: an id, the clips it is made of, and the scenes that statistics cluster by.

    ``problem`` is set where the data cannot give this sample (a sequence too short, say): it is planned all
    the same and becomes a failed row, so that coverage tells. One that is ``listed``, because a published list
    demands it, may not have a problem unless the user says ``allow_missing=true``.
    """

    id: str
    scenes: tuple[str, ...]
    clips: tuple[Clip, ...]
    problem: str = ""
    listed: bool = False


@dataclass(frozen=True)
class Loaded:
    """A sample with the frames of its clips, each in the order of ``Clip.numbers``."""

    sample: Sample
    frames: tuple[Frames, ...]


@dataclass(frozen=True)
class Scored:
    """The outcome of one sample: a flat row of numbers, arrays worth keeping (errors per pair, ...), and strips
    of frames [T, 3, H, W] by name, which are drawn for the first samples of a run."""

    row: dict[str, Value]
    arrays: dict[str, Tensor] = field(default_factory=dict)
    pictures: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """How a number of the summary is printed: ``scale`` turns fractions into percent, say.

    ``networks`` are the weights without which it cannot be computed; it is printed as "-" where they are absent.
    """

    key: str
    title: str
    scale: float = 1.0
    digits: int = 2
    networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """Numbers over all samples, with 95 % intervals clustered by scene.

    ``slices``: the first column's number over parts of the samples, by the name of the part. ``counts``: failures by
    kind, printed where they are not zero. ``references``: lines that stand beside every method in the table, such
    as a closed-form chance level. ``notes``: what a reader must know.
    """

    metrics: Mapping[str, Interval]
    slices: Mapping[str, Interval] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    references: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@typing.runtime_checkable
class Protocol(typing.Protocol):
    """A protocol, constructed from its options, a dataset and (where the class ``uses_oracle``) an oracle.

    One that asks for an oracle with some options only says in its instance whether it does.
    """

    name: str
    version: str
    uses_oracle: bool
    preprocess: Preprocess
    columns: tuple[Column, ...]

    def samples(self) -> list[Sample]:
        """Plan: the frozen list of samples, from the dataset's sequences alone. No pixel is read."""
        ...

    def target_pose(self, card: Card) -> TargetPose:
        """Return the target-pose source used for a method; UserError where it supports none of ours."""
        ...

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Drive the method: all that it has to show for these samples, which have equal numbers of views."""
        ...

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Score predictions; each sample independently of the others. The method is no longer needed."""
        ...

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Turn all rows, in the order of their sample ids, into a summary; set-level numbers read their arrays."""
        ...
