"""Count what an index holds."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from evalkit.index.entries import Index, IndexEntry
from evalkit.index.slices import Rule, bucket_of, duplicate_targets

NEAR = 5


@dataclass(frozen=True)
class Range:
    """Smallest, mean and largest of several numbers of frames."""

    min: int
    mean: float
    max: int


@dataclass(frozen=True)
class Duplicates:
    """Number of targets that are a context frame.

    Attributes:
        targets: all of them.
        first, last: those that are the first or the last context frame.
        scenes: number of entries with such targets.
    """

    targets: int
    first: int
    last: int
    scenes: int


@dataclass(frozen=True)
class Description:
    """Counts of an index.

    Attributes:
        keys, usable, skipped: scenes that the list names, with frames and without.
        targets: target frames of all entries.
        views: number of entries by their numbers of views, "context/target"; * where it depends on the data.
        patterns: number of entries by `rank_pattern`, most frequent first.
        span: last minus first context frame.
        duplicates: targets that are a context frame.
        nearest: frames from a target to the nearest context frame.
        near: targets at most 5 frames from a context frame.
        outside: targets before the first or after the last context frame.
        unordered: entries whose frame numbers do not ascend.
        overlap: number of entries by bucket, for both rules; None where the list holds no overlap.
    """

    name: str
    keys: int
    usable: int
    skipped: int
    targets: int
    views: dict[str, int]
    patterns: dict[str, int]
    span: Range | None
    duplicates: Duplicates
    nearest: Range | None
    near: int
    outside: int
    unordered: int
    overlap: dict[str, dict[str, int]] | None


def describe(index: Index) -> Description:
    """Count everything that ``evalkit index show`` prints."""
    entries = index.entries
    distances = [distance for entry in entries for distance in nearest_context(entry)]
    return Description(
        name=index.name,
        keys=len(entries) + len(index.skipped),
        usable=len(entries),
        skipped=len(index.skipped),
        targets=sum(len(entry.target) for entry in entries),
        views=_histogram(f"{len(entry.context)}/{_targets(index, entry)}" for entry in entries),
        patterns=_histogram(rank_pattern(entry) for entry in entries),
        span=_range([max(entry.context) - min(entry.context) for entry in entries]),
        duplicates=_duplicates(entries),
        nearest=_range(distances),
        near=sum(distance <= NEAR for distance in distances),
        outside=sum(
            not min(entry.context) <= number <= max(entry.context) for entry in entries for number in entry.target
        ),
        unordered=sum(not (_ascends(entry.context) and _ascends(entry.target)) for entry in entries),
        overlap=_overlap(entries),
    )


def rank_pattern(entry: IndexEntry) -> str:
    """Role of each frame in temporal order: c context, T target, x both. More than three equal roles are counted.

    >>> rank_pattern(IndexEntry("s", (0, 1, 9), (1, 4, 5)))
    'cxTTc'
    >>> rank_pattern(IndexEntry("s", (0, 9), tuple(range(10))))
    'x8Tx'
    """
    context, target = set(entry.context), set(entry.target)
    roles = (
        "x" if number in context and number in target else "c" if number in context else "T"
        for number in sorted(context | target)
    )
    runs = ((role, len(list(run))) for role, run in groupby(roles))
    return "".join(role * length if length <= 3 else f"{length}{role}" for role, length in runs)


def nearest_context(entry: IndexEntry) -> list[int]:
    """Frames from each target to the nearest context frame."""
    context = sorted(entry.context)
    distances = []
    for number in entry.target:
        position = bisect_left(context, number)
        distances.append(min(abs(number - frame) for frame in context[max(position - 1, 0) : position + 1]))
    return distances


def _targets(index: Index, entry: IndexEntry) -> str:
    return str(len(entry.target)) if index.target_every is None else "*"


def _duplicates(entries: Sequence[IndexEntry]) -> Duplicates:
    counts = [sum(duplicate_targets(entry)) for entry in entries]
    return Duplicates(
        targets=sum(counts),
        first=sum(min(entry.context) in entry.target for entry in entries),
        last=sum(max(entry.context) in entry.target for entry in entries),
        scenes=sum(count > 0 for count in counts),
    )


def _overlap(entries: Sequence[IndexEntry]) -> dict[str, dict[str, int]] | None:
    if all(entry.overlap is None for entry in entries):
        return None
    return {rule.value: _histogram(bucket_of(entry.overlap, rule).value for entry in entries) for rule in Rule}


def _range(numbers: Sequence[int]) -> Range | None:
    return Range(min(numbers), sum(numbers) / len(numbers), max(numbers)) if numbers else None


def _ascends(numbers: Sequence[int]) -> bool:
    return list(numbers) == sorted(numbers)


def _histogram(values: Iterable[str]) -> dict[str, int]:
    """Count values, most frequent first; equal counts are sorted by name."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))
