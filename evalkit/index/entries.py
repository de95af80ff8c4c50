"""What an index is: for each scene the frames that are context and those that are targets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class IndexEntry:
    """One evaluation of one scene. Frames are positions in the scene's list of frames, in the file's order.

    ``overlap`` is what the list says of the context pair: a fraction, a word such as "large", or nothing.
    ``part`` tells several evaluations of one scene apart.
    """

    scene: str
    context: tuple[int, ...]
    target: tuple[int, ...]
    overlap: float | str | None = None
    part: str = ""

    @property
    def id(self) -> str:
        """The scene, and the part where there are several.

        >>> IndexEntry("scan1", (0, 2), (1,), part="03").id
        'scan1#03'
        """
        return f"{self.scene}#{self.part}" if self.part else self.scene


@dataclass(frozen=True)
class Index:
    """A named list. ``skipped`` are scenes that the list names without frames: part of it, but not evaluated.

    ``target_every``: the targets are every n-th frame of the whole sequence, whose length only the data know;
    the entries' targets are then empty.
    """

    name: str
    entries: tuple[IndexEntry, ...]
    skipped: tuple[str, ...] = ()
    target_every: int | None = None
