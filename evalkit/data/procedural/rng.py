"""Randomness that depends on names alone: the same words give the same draws, whatever was drawn elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Dice:
    """A stream of draws seeded by words, e.g. ``Dice("rooms", "test", 0, 3)``."""

    def __init__(self, *words: str | int) -> None:
        self._words = words
        digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
        self._stream = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))

    def fork(self, word: str) -> Dice:
        """Return an independent stream, so that a change to one part of a world leaves the others alone."""
        return Dice(*self._words, word)

    def uniform(self, low: float, high: float) -> float:
        """Draw from [low, high)."""
        return low + (high - low) * float(self._stream.random())

    def integer(self, count: int) -> int:
        """Draw from 0 .. count - 1."""
        return int(self._stream.random() * count)

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return float(self._stream.random()) < probability

    def sign(self) -> float:
        """Draw -1 or 1."""
        return 1.0 if self.chance(0.5) else -1.0

    def pick(self, items: Sequence[T]) -> T:
        """Draw one of the items."""
        return items[self.integer(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in random order."""
        order = np.argsort(self._stream.random(len(items)), kind="stable")
        return [items[int(i)] for i in order]

    def array(self, *shape: int) -> NDArray[np.float64]:
        """Draw an array from [0, 1)."""
        return self._stream.random(shape)

    def direction(self) -> NDArray[np.float64]:
        """Draw a unit vector, uniform on the sphere (Archimedes: z is uniform)."""
        z, angle = self.uniform(-1, 1), self.uniform(0, 2 * np.pi)
        radius = np.sqrt(1 - z * z)
        return np.array([radius * np.cos(angle), radius * np.sin(angle), z])
