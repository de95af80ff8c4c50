"""What a dataset is: named sequences, frames by number, and a digest of what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from evalkit.data.preprocess import Preprocess
from evalkit.views import Frames, Need


@dataclass(frozen=True)
class SequenceInfo:
    """One sequence of a dataset.

    ``segments`` are [start, end) runs of frames without a jump; windows never cross their borders.
    ``scene`` groups sequences that show the same place: statistics treat it as one draw.
    ``problem`` says why no frame of it can be read, if so.
    """

    name: str
    scene: str
    segments: tuple[tuple[int, int], ...]
    problem: str | None = None


@runtime_checkable
class Dataset(Protocol):
    """Frames by sequence and number. Reading is deterministic and has no state that matters."""

    provides: frozenset[Need]

    def sequences(self) -> list[SequenceInfo]:
        """All sequences, in a fixed order."""
        ...

    def frames(self, sequence: str, numbers: Sequence[int], preprocess: Preprocess) -> Frames:
        """Read frames. Raises SampleError, naming the file, where one cannot be read."""
        ...

    def digest(self) -> str:
        """SHA-256 of everything the frames depend on."""
        ...


@runtime_checkable
class KnownWorld(Protocol):
    """A dataset that can show its scenes from anywhere: procedural worlds, where the truth is known."""

    def view(self, sequence: str, w2c: Tensor, resolution: int) -> Frames:
        """Ray-cast a sequence's scene from ``w2c`` [V, 4, 4] through the sequence's own lens, square."""
        ...

    def digest(self) -> str:
        """As that of a `Dataset`."""
        ...

    def __hash__(self) -> int:
        """By identity, as of any object: what is known of a world may be kept."""
        ...
