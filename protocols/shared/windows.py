"""How windows of frames are drawn from a sequence. Needs no tensor."""

from __future__ import annotations

import numpy as np

from evalkit.data.dataset import SequenceInfo
from evalkit.errors import SampleError


def draw_window(sequence: SequenceInfo, span: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """Draw the first and last frame of a window that crosses no jump of the sequence.

    The length last - first is uniform on span[0]..span[1], and the start uniform on what then fits, as in RayZer's
    ``two_frame_selector``; the longest length is limited to what the segment has. Of several segments one is drawn, in
    proportion to its number of frames.

    Args:
        sequence: the sequence, with its segments.
        span: the shortest and the longest length, both inclusive.
        rng: the source of randomness.

    Returns:
        The numbers of the first and the last frame, both inclusive.

    Raises:
        SampleError: no segment is long enough.
    """
    shortest, longest = span
    long_enough = [(start, end) for start, end in sequence.segments if end - start > shortest]
    if not long_enough:
        most = max((end - start for start, end in sequence.segments), default=0)
        raise SampleError(f"{sequence.name}: needs {shortest + 1} frames without a jump, has {most}")
    frames = np.array([end - start for start, end in long_enough])
    start, end = long_enough[rng.choice(len(long_enough), p=frames / frames.sum())]
    length = int(rng.integers(shortest, min(longest, end - start - 1), endpoint=True))
    first = int(rng.integers(start, end - length))
    return first, first + length


def equally_spaced(first: float, last: float, count: int) -> tuple[int, ...]:
    """``count`` frame numbers equally spaced on [first, last], both inclusive; a single one is the middle frame.

    Halves round up, so that the result does not depend on the parity of the start.

    >>> equally_spaced(0, 32, 5), equally_spaced(0, 33, 1)
    ((0, 8, 16, 24, 32), (17,))
    """
    positions = np.linspace(first, last, count) if count > 1 else np.array([(first + last) / 2])
    return tuple(int(position) for position in np.floor(positions + 0.5))
