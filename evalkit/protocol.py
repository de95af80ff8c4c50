"""What a protocol is: samples in, one row a sample, a summary. Everything else works on samples and rows.

Planning (`Planner`) needs no tensor and imports no torch; scoring (`Protocol`) does. A protocol may be one class that
does both, or a class for planning whose ``implementation`` names its subclass that scores (`evalkit.registry`).
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from evalkit.card import Card, TargetPose
from evalkit.pixels import Preprocess

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from evalkit.method import Method
    from evalkit.stats.interval import Interval
    from evalkit.views import Frames

Value = float | int | str | bool | list[str]
Predictions: TypeAlias = "Mapping[str, Tensor]"  # what a method predicted, each [B, ...]; images under `RENDERS`
Arrays: TypeAlias = "Callable[[str], Mapping[str, Tensor]]"  # the arrays kept of a sample, by its id
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


class Better(StrEnum):
    """Which direction of a number is better."""

    HIGHER = "higher"
    LOWER = "lower"
    NONE = "none"  # a description, such as a count or a share of failures by design


@dataclass(frozen=True)
class Column:
    """A number of the summary: how it is printed, and what it is.

    ``scale`` turns fractions into percent, say. ``networks`` are the weights without which it cannot be computed; it
    is printed as "-" where they are absent. ``quantity`` says of what it is a number ("psnr", "auc@20"),
    ``definition`` by which of several definitions in use ("xfactor, folded"), ``variant`` how it differs from the
    plain number ("failed=90": failures count as 90 degrees off; "dedup": without targets that are context frames).
    """

    key: str
    title: str
    scale: float = 1.0
    digits: int = 2
    networks: tuple[str, ...] = ()
    better: Better = Better.NONE
    quantity: str = ""
    definition: str = ""
    variant: str = ""


@dataclass(frozen=True)
class Summary:
    """Numbers over all samples, with 95 % intervals clustered by scene.

    ``slices``: the first column's number over parts of the samples, by the name of the part. ``counts``: failures by
    kind, printed where they are not zero. ``references``: lines that stand beside every method in the table, such
    as a closed-form chance level. ``notes``: what a reader must know. ``block``: the title of the part of the table,
    below the ranking, where the run stands because of what was found; empty for the ranking.
    """

    metrics: Mapping[str, Interval]
    slices: Mapping[str, Interval] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    references: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    block: str = ""


class Planner(typing.Protocol):
    """The half of a protocol that needs no tensor; constructed from options, a dataset, an oracle or None, a seed.

    One that asks for an oracle with some options only says in its instance whether it does (``uses_oracle``).
    """

    name: str
    version: str
    uses_oracle: bool
    preprocess: Preprocess

    @property
    def columns(self) -> tuple[Column, ...]:
        """The numbers of the summary that are printed; the first is the one that methods are ranked by."""
        ...

    def samples(self) -> list[Sample]:
        """Planner: the frozen list of samples, from the dataset's sequences alone. No pixel is read."""
        ...

    def target_pose(self, card: Card) -> TargetPose:
        """Return the target-pose source used for a method; UserError where it supports none of ours."""
        ...


@typing.runtime_checkable
class Protocol(Planner, typing.Protocol):
    """A protocol that can score.

    Optional attributes: ``controls`` (names of controls that belong beside it), ``implementation`` (see
    `evalkit.registry`), ``kept_bytes(sample) -> int`` (size of the arrays that it keeps of a sample), as a static
    method ``row_numbers(rows) -> Mapping[str, pd.Series]`` (by column, the number of each row behind a mean of the
    summary that the rows do not hold as such, a failure as 1 say; paired comparisons need it), and ``paired``:
    "module:function" that compares two runs in numbers that are no means over rows. It takes the rows and the arrays
    of each run, and the protocol's settings, and returns an `evalkit.stats.paired.Comparison` by key.
    """

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Run the method on samples with equal numbers of views; returns all that is scored later."""
        ...

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Score predictions; each sample independently of the others. The method is no longer needed."""
        ...

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Turn all rows, in the order of their sample ids, into a summary; set-level numbers read their arrays."""
        ...
