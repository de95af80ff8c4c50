"""Disjoint scenes to train on, to stop on, and to score on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evalkit.seeds import generator

MIN_SCENES = 5  # with fewer, at least one of the three parts says nothing at all


@dataclass(frozen=True)
class Split:
    """Names of scenes; none is in two parts."""

    train: frozenset[str]
    validation: frozenset[str]
    test: frozenset[str]


def split_scenes(scenes: Iterable[str], fractions: tuple[float, float, float], seed: int) -> Split:
    """Split scenes by the hash of their names and ``seed``, whatever their order.

    ``fractions`` are of train, validation and test. The last two have at least one scene each, and the first takes
    what is left. Raises ValueError for fewer than `MIN_SCENES`.
    """
    names = sorted(set(scenes), key=lambda name: (generator(seed, "probe", "split", name).random(), name))
    if len(names) < MIN_SCENES:
        raise ValueError(f"a split needs {MIN_SCENES} scenes or more, got {len(names)}")
    validation, test = (max(1, round(share * len(names))) for share in fractions[1:])
    return Split(
        frozenset(names[validation + test :]),
        frozenset(names[test : validation + test]),
        frozenset(names[:test]),
    )
