"""What an index is: for each scene, the context frames and the target frames."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class IndexEntry:
    """One evaluation of one scene.

    Attributes:
        context, target: frame numbers, which are positions in the scene's frames, in the order of the file.
        overlap: overlap of the context views as the list gives it: a fraction, a word such as "large", or None.
        part: distinguishes several evaluations of one scene.
    """

    scene: str
    context: tuple[int, ...]
    target: tuple[int, ...]
    overlap: float | str | None = None
    part: str = ""

    @property
    def id(self) -> str:
        """The scene, followed by the part where there are several.

        >>> IndexEntry("scan1", (0, 2), (1,), part="03").id
        'scan1#03'
        """
        return f"{self.scene}#{self.part}" if self.part else self.scene


@dataclass(frozen=True)
class Index:
    """A list with its name.

    Attributes:
        skipped: scenes that the list names without frames; they are not evaluated.
        target_every: where set, the targets are every n-th frame of the whole sequence, whose length is known only with
            the data; the targets of the entries are then empty.
    """

    name: str
    entries: tuple[IndexEntry, ...]
    skipped: tuple[str, ...] = ()
    target_every: int | None = None
