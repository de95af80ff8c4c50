"""Random numbers that depend on words alone: equal words give equal numbers, whatever was drawn elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Rng:
    """A random number generator seeded by words, e.g. ``Rng("rooms", "test", 0, 3)``.

    The words decide what a world looks like: another word in any call of this package gives another world.
    """

    def __init__(self, *words: str | int) -> None:
        self._words = words
        digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
        self._generator = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))

    def fork(self, word: str) -> Rng:
        """Return an independent generator, so that a change to one part of a world does not change the others."""
        return Rng(*self._words, word)

    def uniform(self, low: float, high: float) -> float:
        """Draw a number from [low, high)."""
        return low + (high - low) * float(self._generator.random())

    def integer(self, count: int) -> int:
        """Draw an integer from 0 to count - 1."""
        return int(self._generator.random() * count)

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return float(self._generator.random()) < probability

    def sign(self) -> float:
        """Draw -1 or 1."""
        return 1.0 if self.chance(0.5) else -1.0

    def choice(self, items: Sequence[T]) -> T:
        """Draw one of the items."""
        return items[self.integer(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in random order."""
        order = np.argsort(self._generator.random(len(items)), kind="stable")
        return [items[int(index)] for index in order]

    def array(self, *shape: int) -> NDArray[np.float64]:
        """Draw an array of numbers from [0, 1)."""
        return self._generator.random(shape)

    def direction(self) -> NDArray[np.float64]:
        """Draw a unit vector [3], uniform on the sphere (Archimedes: z is uniform)."""
        z, angle = self.uniform(-1, 1), self.uniform(0, 2 * np.pi)
        radius = np.sqrt(1 - z * z)
        return np.array([radius * np.cos(angle), radius * np.sin(angle), z])
