"""Context and target frames of a turn around an object. Needs no tensor."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from protocols.shared.windows import equally_spaced

Ints = NDArray[np.int64]
Frames = tuple[tuple[int, ...], tuple[int, ...]]  # of context and of targets


def even_frames(start: int, end: int, n_context: int, n_target: int, closed: bool) -> Frames:
    """Choose equally spaced context frames on [start, end), and targets equally spaced in the gaps between them.

    A ``closed`` turn ends where it began: one more gap lies before frame ``end``, which would show the same as
    ``start``. Frames coincide where there are too few.

    >>> even_frames(0, 12, 3, 3, True), even_frames(0, 13, 3, 4, False)
    (((0, 4, 8), (2, 6, 10)), ((0, 6, 12), (2, 4, 8, 10)))
    """
    stops = n_context + closed
    ends_of_gaps = equally_spaced(start, end if closed else end - 1, stops)
    gap_of = [i * (stops - 1) // n_target for i in range(n_target)]
    target = [
        left + (rank + 1) * (right - left) // (gap_of.count(gap) + 1)
        for gap, (left, right) in enumerate(pairwise(ends_of_gaps))
        for rank in range(gap_of.count(gap))
    ]
    return ends_of_gaps[:n_context], tuple(target)


def least_steps(n_context: int, n_target: int) -> Ints:
    """Frames [C - 1] from one context frame to the next, at least, so that the targets find room in the middle half."""
    return np.maximum(2 * _targets_of_gaps(n_context, n_target), 1)


def uneven_frames(
    start: int, end: int, n_context: int, n_target: int, part: tuple[float, float], rng: np.random.Generator
) -> Frames:
    """Draw a part of [start, end), context frames at uneven steps from its first to its last frame, targets between.

    The part's share of the frames is uniform on ``part``, longer where `least_steps` need it, and its place uniform.
    Beyond the least steps, frames are divided among the gaps in proportion to uniform draws. Gaps hold equally many
    targets, or one more; they are drawn from the middle half of their gap, without replacement.

    Raises ValueError where [start, end) is shorter than the least steps.
    """
    least = least_steps(n_context, n_target)
    frames = max(round(rng.uniform(*part) * (end - start)), int(least.sum()) + 1)
    if frames > end - start:
        raise ValueError(f"{end - start} frames have no room for {frames}")
    first = start + int(rng.integers(end - start - frames, endpoint=True))
    shares = rng.uniform(size=n_context - 1)
    added = np.floor((frames - 1 - least.sum()) * np.cumsum(shares) / shares.sum() + 0.5).astype(np.int64)
    context = [first, *(first + np.cumsum(least) + added).tolist()]
    counts = _targets_of_gaps(n_context, n_target).tolist()
    target = [
        number
        for (left, right), count in zip(pairwise(context), counts, strict=True)
        for number in sorted(rng.choice(_middle_half(left, right), count, replace=False).tolist())
    ]
    return tuple(context), tuple(target)


def _targets_of_gaps(n_context: int, n_target: int) -> Ints:
    return np.bincount([i * (n_context - 1) // n_target for i in range(n_target)], minlength=n_context - 1)


def _middle_half(left: int, right: int) -> Ints:
    """The frames between two others that are at least a quarter of the way from each."""
    quarter = (right - left) / 4
    return np.arange(math.ceil(left + quarter), math.floor(right - quarter) + 1)
