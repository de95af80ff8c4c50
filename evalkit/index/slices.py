"""Parts of an index: without targets that are given away, and by overlap of the context pair."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from evalkit.index.entries import Index, IndexEntry

# The upper ends of small, medium and large, and the lower end of small (NoPoSplat, SPFSplat, NAS3R,
# src/misc/utils.py). The papers write "0.05%-0.3%"; they are fractions.
SMALL_FROM, SMALL, MEDIUM, LARGE = 0.05, 0.30, 0.55, 0.80
THRESHOLDS = {
    "small": f"[{SMALL_FROM:.2f}, {SMALL:.2f}]",
    "medium": f"({SMALL:.2f}, {MEDIUM:.2f}]",
    "large": f"({MEDIUM:.2f}, {LARGE:.2f}]",
}


class Bucket(StrEnum):
    """How much of each other the context frames see; ``ignore`` is outside all, ``unknown`` not said."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    IGNORE = "ignore"
    UNKNOWN = "unknown"


class Rule(StrEnum):
    """Who decides on the bucket: the released code, traps included, or the intervals that papers state."""

    SHIPPED = "shipped"
    STATED = "stated"


def bucket_of(overlap: float | str | None, rule: Rule = Rule.SHIPPED) -> Bucket:
    """Bucket of an overlap.

    Shipped: a chain of upper bounds, so that less than 0.05 (and ScanNet++'s placeholder -1) is *medium*; the
    word "large" counts as 0.75, any other word and a missing value as 0.25, *small*
    (view_sampler_evaluation.py). Stated: the intervals; what is outside is ignored, what is missing unknown.

    >>> bucket_of(0.04), bucket_of(0.04, Rule.STATED)
    (<Bucket.MEDIUM: 'medium'>, <Bucket.IGNORE: 'ignore'>)
    >>> bucket_of(None), bucket_of(None, Rule.STATED)
    (<Bucket.SMALL: 'small'>, <Bucket.UNKNOWN: 'unknown'>)
    """
    if rule is Rule.STATED:
        return _stated(overlap)
    value = overlap if isinstance(overlap, float) else 0.75 if overlap == "large" else 0.25
    if SMALL_FROM <= value <= SMALL:
        return Bucket.SMALL
    return Bucket.MEDIUM if value <= MEDIUM else Bucket.LARGE if value <= LARGE else Bucket.IGNORE


def _stated(overlap: float | str | None) -> Bucket:
    if not isinstance(overlap, float):
        return Bucket(overlap) if overlap in THRESHOLDS else Bucket.UNKNOWN
    if not SMALL_FROM <= overlap <= LARGE:
        return Bucket.IGNORE
    return Bucket.SMALL if overlap <= SMALL else Bucket.MEDIUM if overlap <= MEDIUM else Bucket.LARGE


def by_overlap(index: Index, bucket: Bucket, rule: Rule = Rule.SHIPPED) -> Index:
    """Return the entries of one bucket, with all skipped scenes; over all buckets they are the whole index."""
    kept = tuple(entry for entry in index.entries if bucket_of(entry.overlap, rule) is bucket)
    return replace(index, name=f"{index.name}:{bucket}", entries=kept)


def duplicate_targets(entry: IndexEntry) -> tuple[bool, ...]:
    """For each target, whether it is a context frame as well.

    >>> duplicate_targets(IndexEntry("s", (5, 9), (5, 7, 8)))
    (True, False, False)
    """
    context = set(entry.context)
    return tuple(number in context for number in entry.target)


def without_duplicate_targets(entry: IndexEntry) -> IndexEntry:
    """Drop targets that equal a context frame; nothing may be left."""
    context = set(entry.context)
    return replace(entry, target=tuple(number for number in entry.target if number not in context))


def dedup(index: Index) -> Index:
    """Drop all targets that equal a context frame; an entry that has no other moves to the skipped scenes."""
    entries = tuple(without_duplicate_targets(entry) for entry in index.entries)
    if index.target_every is not None:  # its targets are made from the data, without the context
        return replace(index, name=f"{index.name}:dedup")
    emptied = tuple(entry.id for entry in entries if not entry.target)
    kept = tuple(entry for entry in entries if entry.target)
    return replace(index, name=f"{index.name}:dedup", entries=kept, skipped=(*index.skipped, *emptied))
