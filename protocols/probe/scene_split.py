"""Disjoint sets of scenes for training, validation and test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evalkit.seeds import generator

MIN_SCENES = 5  # with fewer, one of the three parts is too small to mean anything


@dataclass(frozen=True)
class SceneSplit:
    """Names of the scenes of each part; no scene is in two parts."""

    train: frozenset[str]
    validation: frozenset[str]
    test: frozenset[str]


def split_scenes(scenes: Iterable[str], fractions: tuple[float, float, float], seed: int) -> SceneSplit:
    """Split scenes by the hash of their names and ``seed``; their order does not matter.

    Args:
        scenes: names, possibly repeated.
        fractions: shares of train, validation and test. Validation and test get at least one scene each; train gets
            the rest.
        seed: of the run.

    Raises:
        ValueError: fewer than `MIN_SCENES` different scenes.
    """
    names = sorted(set(scenes), key=lambda name: (generator(seed, "probe", "split", name).random(), name))
    if len(names) < MIN_SCENES:
        raise ValueError(f"a split needs {MIN_SCENES} scenes or more, got {len(names)}")
    validation, test = (max(1, round(share * len(names))) for share in fractions[1:])
    return SceneSplit(
        frozenset(names[validation + test :]),
        frozenset(names[test : validation + test]),
        frozenset(names[:test]),
    )
