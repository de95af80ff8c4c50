"""Smooth random motion of uneven speed: strokes between waypoints, as a hand makes them.

Each stroke follows the minimum-jerk curve u^3 (10 - 15 u + 6 u^2), whose speed and acceleration are 0 at both ends
(Flash and Hogan, J. Neurosci. 1985). Their sum therefore has a continuous second derivative. Strokes may overlap, so
that the path bends, or have a pause between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalkit.data.procedural.rng import Rng

Array = NDArray[np.float64]


class Timing(NamedTuple):
    """How strokes follow each other, in frames.

    Attributes:
        shortest, longest: duration of a stroke.
        pause_chance: probability that a stroke starts after the one before it has ended.
        longest_pause: frames between these two.
    """

    shortest: float
    longest: float
    pause_chance: float
    longest_pause: float


def minimum_jerk(time: Array) -> Array:
    """Share of a stroke that is done at ``time``, which runs from 0 to 1.

    >>> minimum_jerk(np.array([-1.0, 0.0, 0.25, 0.5, 1.0, 2.0])).tolist()
    [0.0, 0.0, 0.103515625, 0.5, 1.0, 1.0]
    """
    u = time.clip(0, 1)
    done: Array = u**3 * (10 - 15 * u + 6 * u**2)
    return done


def stroke_path(rng: Rng, length: int, timing: Timing, start: Array, step: Callable[[Rng, Array], Array]) -> Array:
    """Path [length, D] through waypoints: ``start`` [D], then each one is ``step`` of the waypoint before.

    Every point of the path is a weighted mean of waypoints: it stays in any convex set that contains them. A longer
    path continues a shorter one.
    """
    frames, waypoint = np.arange(length, dtype=np.float64), start
    path = np.repeat(start[None], length, axis=0)
    for begin, end in _strokes(rng, length, timing):
        following = step(rng, waypoint)
        path += minimum_jerk((frames - begin) / (end - begin))[:, None] * (following - waypoint)
        waypoint = following
    return path


def _strokes(rng: Rng, length: int, timing: Timing) -> Iterator[tuple[float, float]]:
    """Begin and end of each stroke in frames. Both grow from stroke to stroke: this makes the weights positive."""
    begin, last_end = rng.uniform(-timing.longest, 0), -np.inf
    while begin < length:
        duration = timing.shortest * (timing.longest / timing.shortest) ** rng.uniform(0, 1)
        end = max(begin + duration, last_end)
        yield begin, end
        if rng.chance(timing.pause_chance):
            begin = end + rng.uniform(0, timing.longest_pause)
        else:
            begin = rng.uniform(begin + 0.4 * duration, end)
        last_end = end
