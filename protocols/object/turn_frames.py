"""Context and target frames of one turn around an object. Needs no tensor."""

from __future__ import annotations

from itertools import pairwise

from protocols.shared.windows import equally_spaced


def frames_around(
    start: int, end: int, n_context: int, n_target: int, closed: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose equally spaced context frames on [start, end), and targets equally spaced in the gaps between them.

    A ``closed`` turn ends where it began: one more gap lies before frame ``end``, which would show the same as
    ``start``. Frames coincide where there are too few.

    >>> frames_around(0, 12, 3, 3, True), frames_around(0, 13, 3, 4, False)
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
