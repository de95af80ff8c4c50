"""Compare two lists."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.index.entries import Index, IndexEntry


@dataclass(frozen=True)
class Difference:
    """Two indices compared, by the ids of their entries. Fields are sorted ids of entries.

    Attributes:
        a, b: names of the indices.
        common: usable in both.
        only_a, only_b: usable in one of them.
        skipped_by_a, skipped_by_b: usable in the other only; this one names them without frames.
        same_frames: same context and same target frames, in any order.
        same_context: same context frames, different target frames.
        same_start: same first context frame.
        same_entry: equal in everything, order of frames and overlap included.
        equal: both evaluate the same entries and skip the same scenes.
    """

    a: str
    b: str
    common: tuple[str, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    skipped_by_a: tuple[str, ...]
    skipped_by_b: tuple[str, ...]
    same_frames: tuple[str, ...]
    same_context: tuple[str, ...]
    same_start: tuple[str, ...]
    same_entry: tuple[str, ...]
    equal: bool


def compare(a: Index, b: Index) -> Difference:
    """Compare two indices; the order of their scenes does not matter."""
    entries_a, entries_b = ({entry.id: entry for entry in index.entries} for index in (a, b))
    common = sorted(entries_a.keys() & entries_b.keys())
    pairs = [(entries_a[key], entries_b[key]) for key in common]
    only_a, only_b = sorted(entries_a.keys() - entries_b.keys()), sorted(entries_b.keys() - entries_a.keys())
    same_entry = tuple(x.id for x, y in pairs if x == y)
    same_entries = not only_a and not only_b and len(same_entry) == len(common)
    return Difference(
        a=a.name,
        b=b.name,
        common=tuple(common),
        only_a=tuple(only_a),
        only_b=tuple(only_b),
        skipped_by_a=tuple(sorted(set(only_b) & set(a.skipped))),
        skipped_by_b=tuple(sorted(set(only_a) & set(b.skipped))),
        same_frames=tuple(x.id for x, y in pairs if _same_context(x, y) and set(x.target) == set(y.target)),
        same_context=tuple(x.id for x, y in pairs if _same_context(x, y) and set(x.target) != set(y.target)),
        same_start=tuple(x.id for x, y in pairs if min(x.context) == min(y.context)),
        same_entry=same_entry,
        equal=same_entries and set(a.skipped) == set(b.skipped) and a.target_every == b.target_every,
    )


def _same_context(x: IndexEntry, y: IndexEntry) -> bool:
    return set(x.context) == set(y.context)
