"""The base of datasets that lie on disk: a format names its sequences and reads one frame; all else is shared.

A format is a subclass of `StoredDataset` with two methods, ``open`` and ``read_frame``, and an options class derived
from `StoredOptions`. Shared are: frame ranges and segments, preprocessing of image, intrinsics, depth and mask alike,
errors that name sequence and frame, the digest of all files, and what the dataset provides. Nothing here imports
torch before frames are read.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar

from pydantic import Field

from evalkit.card import Need
from evalkit.config.options import ComponentOptions
from evalkit.data.dataset import ClipShape, SequenceInfo
from evalkit.data.stored.frame import StoredFrame
from evalkit.errors import SampleError, UserError, did_you_mean
from evalkit.pixels import Preprocess

if TYPE_CHECKING:
    from evalkit.views import Frames


class StoredOptions(ComponentOptions):
    """Settings of every dataset that lies on disk."""

    root: Annotated[str | None, Field(description="Folder that holds the data; it must be given.")] = None


@dataclass(frozen=True, kw_only=True)
class StoredSequence:
    """What planning must know of one sequence; a format may derive from it to keep more.

    Attributes:
        name: unique in the dataset.
        length: number of frames; they are numbered from 0.
        files: all files that the frames are read from, for the digest; without them, every file below the folder
            of this name. Hidden files do not count.
        provides: what each of its frames has beside the image. `Need.INTRINSICS` requires `Need.CAMERAS`.
        segments: [start, end) runs of frames without a jump; without them, all frames are one run.
        scene: the place it shows, where several sequences show the same; its name by default.
        notes: lines that the user should read.
    """

    name: str
    length: int
    files: tuple[Path, ...] = ()
    provides: frozenset[Need] = frozenset()
    segments: tuple[tuple[int, int], ...] = ()
    scene: str = ""
    notes: tuple[str, ...] = ()

    def frame_name(self, number: int) -> str:
        """Name a frame in error messages."""
        return f"{self.name} frame {number}"


StoredT = TypeVar("StoredT", bound=StoredSequence)


class StoredDataset(ABC, Generic[StoredT]):
    """Frames that lie on disk; a format names its sequences and reads one frame.

    Raises UserError where ``root`` is missing or holds no sequence. A sequence that cannot be opened is listed with
    its problem.
    """

    Options: type[StoredOptions] = StoredOptions
    layout = "DIR/<sequence>"  # what ``root`` must look like, for error messages
    clip_shape = ClipShape()

    def __init__(self, options: StoredOptions, device: str) -> None:
        self.options, self._device = options, device
        self.root = _existing_folder(options, self.layout)
        self._paths: dict[str, Path] = {}
        self._sequences: dict[str, StoredT] = {}
        self._problems: dict[str, str] = {}
        self._notes: list[str] = []
        try:
            for path in self.find():
                self._open(path)
        except OSError as error:
            raise UserError(f"dataset.root: {error.strerror}: '{error.filename}'") from error
        if not self._paths:
            raise UserError(f"dataset.root: no frames in '{options.root}', expected {self.layout}")

    def find(self) -> Iterable[Path]:
        """Return the folder or file of each sequence; by default each folder in ``root`` that is not hidden."""
        return [path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith(".")]

    @abstractmethod
    def open(self, name: str, path: Path) -> StoredT:
        """Describe the sequence ``name`` at ``path`` without reading its pixels. What it raises becomes its problem."""

    @abstractmethod
    def read_frame(self, sequence: StoredT, number: int) -> StoredFrame:
        """Read one frame. Errors need not name sequence and frame."""

    def read_frames(self, sequence: StoredT, numbers: Sequence[int]) -> Iterator[tuple[int, StoredFrame]]:
        """Read frames, whose numbers ascend and differ; for formats that read several at once."""
        for number in numbers:
            with errors_named(sequence.frame_name(number)):
                frame = self.read_frame(sequence, number)
            yield number, frame

    def note(self, text: str) -> None:
        """Add a line that the user should read."""
        self._notes.append(text)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines that say what is left out."""
        own = [note for _, sequence in sorted(self._sequences.items()) for note in sequence.notes]
        return (*self._notes, *self._partly_provided(), *own)

    @cached_property
    def provides(self) -> frozenset[Need]:
        """What all sequences that can be read have."""
        parts = [sequence.provides for sequence in self._sequences.values()]
        return frozenset({Need.FRAME_NUMBERS}).union(frozenset.intersection(*parts) if parts else ())

    def sequences(self) -> list[SequenceInfo]:
        """All sequences, sorted by name; one that cannot be read says why."""
        readable = [
            SequenceInfo(name, sequence.scene or name, sequence.segments or ((0, sequence.length),))
            for name, sequence in self._sequences.items()
        ]
        unreadable = [SequenceInfo(name, name, (), problem) for name, problem in self._problems.items()]
        return sorted([*readable, *unreadable], key=lambda info: info.name)

    def length(self, sequence: str) -> int:
        """Number of frames, those outside of all segments included. Raises SampleError where it cannot be read."""
        return self._readable(sequence, ()).length

    def frames(self, sequence: str, numbers: Sequence[int], preprocess: Preprocess) -> Frames:
        """Read and preprocess frames; each is read once, however often it is asked for.

        Raises SampleError, naming sequence and frame, where one cannot be read.
        """
        from evalkit.data.stored.tensors import make_square, stack

        stored = self._readable(sequence, numbers)
        squares = {}
        for number, frame in self.read_frames(stored, sorted(set(numbers))):
            with errors_named(stored.frame_name(number)):
                squares[number] = make_square(frame, stored.provides, preprocess)
        return stack([squares[number] for number in numbers], tuple(numbers), self._device)

    def digest(self) -> str:
        """SHA-256 of the names and contents of all files; where ``root`` lies is no part of it."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        total = hashlib.sha256()
        for info in self.sequences():
            total.update(f"{info.name}\n{info.problem}\n".encode())
            for path in self._files(info.name):
                total.update(f"{path.relative_to(self.root).as_posix()} {_content_of(path)}\n".encode())
        return total.hexdigest()

    def _files(self, name: str) -> Iterable[Path]:
        """Everything that the frames of a sequence depend on."""
        if name in self._sequences and self._sequences[name].files:
            return self._sequences[name].files
        return _all_files(self._paths[name])

    def _open(self, path: Path) -> None:
        name = self.root.name if path == self.root else path.relative_to(self.root).as_posix()
        self._paths[name] = path
        try:
            with errors_named(name):
                sequence = self.open(name, path)
                if not sequence.length:
                    raise SampleError("no frames")
        except SampleError as error:
            self._problems[name] = str(error)
        else:
            self._sequences[name] = sequence

    def _readable(self, name: str, numbers: Sequence[int]) -> StoredT:
        if name in self._problems:
            raise SampleError(self._problems[name])
        if name not in self._sequences:
            raise SampleError(f"no sequence '{name}'{did_you_mean(name, self._sequences)}")
        sequence = self._sequences[name]
        absent = [number for number in numbers if not 0 <= number < sequence.length]
        if absent:
            raise SampleError(f"{name} has {sequence.length} frames, no frame {absent[0]}")
        return sequence

    def _partly_provided(self) -> list[str]:
        """Name what some sequences have and others lack; each such need is not provided."""
        total = len(self._sequences)
        owners = {
            need: sum(need in sequence.provides for sequence in self._sequences.values())
            for need in (Need.CAMERAS, Need.INTRINSICS, Need.DEPTH)
        }
        return [
            f"not used: {', '.join(need for need in owners if owners[need] == count)}; "
            f"only {count} of {total} sequences have them"
            for count in sorted({count for count in owners.values() if 0 < count < total})
        ]


@contextmanager
def errors_named(name: str) -> Iterator[None]:
    """Turn what goes wrong while a file is read into a SampleError ``name: reason``, on one line."""
    try:
        yield
    except SampleError as error:
        raise SampleError(f"{name}: {error}") from error
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise SampleError(f"{name}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Describe an error on one line, without the folder of its file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{Path(error.filename).name}: {error.strerror}" if error.filename else error.strerror
    return " ".join(f"{type(error).__name__}: {error}".split())


def _existing_folder(options: StoredOptions, layout: str) -> Path:
    if options.root is None:
        raise UserError(f"dataset={options.name} needs dataset.root=DIR, expected {layout}")
    root = Path(options.root).expanduser()
    if not root.is_dir():
        raise UserError(f"dataset.root: no folder '{options.root}'")
    return root.resolve()


def _all_files(path: Path) -> list[Path]:
    """The file itself, or all files in the folder that are not hidden."""
    if path.is_file():
        return [path]
    files = [file for file in path.rglob("*") if file.is_file()]
    return sorted(file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts))


def _content_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"
