"""Frames all around an object."""

from __future__ import annotations

from itertools import pairwise

from protocols.shared.windows import equally_spaced


def around(
    start: int, end: int, n_context: int, n_target: int, closed: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Context frames equally spaced on [start, end), and targets equally spaced in the gaps between them.

    A closed turn ends where it began: one more gap lies before frame ``end``, which would be ``start`` again.
    Frames coincide where there are too few.

    >>> around(0, 12, 3, 3, True), around(0, 13, 3, 4, False)
    (((0, 4, 8), (2, 6, 10)), ((0, 6, 12), (2, 4, 8, 10)))
    """
    stops = n_context + closed
    stations = equally_spaced(start, end if closed else end - 1, stops)
    gap_of = [i * (stops - 1) // n_target for i in range(n_target)]
    target = [
        left + (rank + 1) * (right - left) // (gap_of.count(gap) + 1)
        for gap, (left, right) in enumerate(pairwise(stations))
        for rank in range(gap_of.count(gap))
    ]
    return stations[:n_context], tuple(target)
