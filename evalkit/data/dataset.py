"""What a dataset is: named sequences, frames by number, and a digest of what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from evalkit.card import Need
from evalkit.pixels import Preprocess, Profile

if TYPE_CHECKING:
    from torch import Tensor

    from evalkit.views import Frames


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


@dataclass(frozen=True)
class ClipShape:
    """View counts and window lengths for a dataset; protocols use them where the user sets none.

    Attributes:
        context, target: numbers of views of a single clip.
        span: shortest and longest window of a single clip, in frames, inclusive.
        transfer_span: the same for clips between which poses are transferred.
        wide_span: the same for clips with few context views far apart.
        profile: how frames become squares.

    Where one is None, the protocol decides.
    """

    context: int | None = None
    target: int | None = None
    span: tuple[int, int] | None = None
    transfer_span: tuple[int, int] | None = None
    wide_span: tuple[int, int] | None = None
    profile: Profile | None = None


@runtime_checkable
class Catalogue(Protocol):
    """The half of a dataset that planning needs: no tensor, no torch."""

    provides: frozenset[Need]

    def sequences(self) -> list[SequenceInfo]:
        """All sequences, in a fixed order."""
        ...

    def digest(self) -> str:
        """SHA-256 of everything the frames depend on."""
        ...


@runtime_checkable
class Dataset(Catalogue, Protocol):
    """Frames by sequence and number. Reading the same frames again gives the same values.

    Optional attributes: ``clip_shape`` (see `ClipShape`), ``notes`` (lines that the user should read), and
    ``implementation`` (see `evalkit.registry`).
    """

    def frames(self, sequence: str, numbers: Sequence[int], preprocess: Preprocess) -> Frames:
        """Read frames. Raises SampleError, naming the file, where one cannot be read."""
        ...


def clip_shape_of(dataset: Catalogue) -> ClipShape:
    """The shape of clips that a dataset names, or one that names nothing."""
    shape = getattr(dataset, "clip_shape", None)
    return shape if isinstance(shape, ClipShape) else ClipShape()


@runtime_checkable
class KnownWorld(Protocol):
    """A dataset that can render its scenes from any camera, such as procedural worlds."""

    def view(self, sequence: str, w2c: Tensor, resolution: int) -> Frames:
        """Render a sequence's scene from ``w2c`` [V, 4, 4] with the intrinsics of the sequence, R x R pixels."""
        ...

    def digest(self) -> str:
        """SHA-256 of everything the frames depend on."""
        ...

    def __hash__(self) -> int:
        """By identity, as for any object: results may be cached by world."""
        ...
