"""Properties of entries that scores are split by: overlap of the context views, and targets that are context frames."""

from __future__ import annotations

from enum import StrEnum

from evalkit.index.entries import IndexEntry

# The upper ends of small, medium and large, and the lower end of small (NoPoSplat, SPFSplat, NAS3R,
# src/misc/utils.py). The papers write "0.05%-0.3%"; they are fractions.
SMALL_FROM, SMALL, MEDIUM, LARGE = 0.05, 0.30, 0.55, 0.80
THRESHOLDS = {
    "small": f"[{SMALL_FROM:.2f}, {SMALL:.2f}]",
    "medium": f"({SMALL:.2f}, {MEDIUM:.2f}]",
    "large": f"({MEDIUM:.2f}, {LARGE:.2f}]",
}


class Bucket(StrEnum):
    """Overlap of the context views; ``ignore``: outside of all intervals, ``unknown``: the list does not say."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    IGNORE = "ignore"
    UNKNOWN = "unknown"


class Rule(StrEnum):
    """How a bucket is decided: as the released code does, or by the intervals that papers state."""

    SHIPPED = "shipped"
    STATED = "stated"


def bucket_of(overlap: float | str | None, rule: Rule = Rule.SHIPPED) -> Bucket:
    """Bucket of an overlap.

    Shipped: upper bounds are tested in turn, so that less than 0.05 (and ScanNet++'s placeholder -1) is *medium*. The
    word "large" counts as 0.75, any other word and a missing value as 0.25, *small*
    (view_sampler_evaluation.py). Stated: values outside of all intervals are ignored, missing ones are unknown.

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


def duplicate_targets(entry: IndexEntry) -> tuple[bool, ...]:
    """For each target, whether it is a context frame as well.

    >>> duplicate_targets(IndexEntry("s", (5, 9), (5, 7, 8)))
    (True, False, False)
    """
    context = set(entry.context)
    return tuple(number in context for number in entry.target)
