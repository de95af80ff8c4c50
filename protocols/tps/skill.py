"""Skill of renders: how much nearer a render's motion is to its own clip A than to the clips A of other pairs.

See `protocols.shared.skill`, and bleed beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evalkit.protocol import Arrays
from evalkit.stats.interval import Interval
from evalkit.stats.jackknife import LeftOut, OwnAndOthers
from protocols.shared import skill as shared
from protocols.shared.bleed import compared_with_others, own_minus_others
from protocols.shared.bleed_names import BLEED, RENDER_CHANGE, TARGET_CHANGE
from protocols.shared.others import OtherClips
from protocols.shared.skill import Statistic, skill
from protocols.tps.columns import BLURRED_W2C, REAL_W2C, RENDER_W2C

# The numbers that compare with other clips, and how each is made of two means.
STATISTICS: Mapping[str, Statistic] = {**shared.STATISTICS, BLEED: own_minus_others}
KEPT = (REAL_W2C, BLURRED_W2C, RENDER_W2C, TARGET_CHANGE, RENDER_CHANGE)


@dataclass(frozen=True)
class Kept:
    """What a run keeps of its pairs, by name, each [N, ...], and the number of each sample in it."""

    numbers: Mapping[str, int]
    tensors: Mapping[str, Tensor]

    @staticmethod
    def read(scored: pd.DataFrame, arrays: Arrays) -> Kept:
        """Read the arrays of each pair once."""
        samples = list(scored["sample"])
        pairs = [{name: of_pair[name] for name in KEPT} for of_pair in map(arrays, samples)]
        tensors = {name: torch.stack([pair[name] for pair in pairs]) for name in KEPT} if pairs else {}
        return Kept({sample: i for i, sample in enumerate(samples)}, tensors)

    def of(self, rows: pd.DataFrame, names: Iterable[str]) -> list[Tensor]:
        """The tensors ``names`` of some of the pairs."""
        index = torch.tensor([self.numbers[sample] for sample in rows["sample"]], dtype=torch.long)
        return [self.tensors[name][index] for name in names]


@dataclass(frozen=True)
class Motions(shared.Motions):
    """Trajectories of N pairs whose real clip A the oracle could read: of A, of the render, and of A blurred."""

    blurred: Tensor

    @staticmethod
    def of(readable: pd.DataFrame, kept: Kept, min_baseline: float) -> Motions:
        """Take them from what is kept of the pairs."""
        real, blurred, render = kept.of(readable, (REAL_W2C, BLURRED_W2C, RENDER_W2C))
        return Motions(_others(readable), real, render, min_baseline, blurred)

    def ceiling(self) -> float:
        """The skill of the oracle on a blurred copy of A's real targets."""
        own, others = self.against(self.blurred)
        return float(skill(*self.others.compared(own.degrees[:, 0].numpy(), others.degrees.numpy()).whole()))


def bleed_compared(scored: pd.DataFrame, kept: Kept) -> OwnAndOthers:
    """Correlations of renders with their own targets and with those of the others, of all pairs."""
    renders, targets = kept.of(scored, (RENDER_CHANGE, TARGET_CHANGE))
    return compared_with_others(renders, targets, *_names(scored))


def numbers(means: Mapping[str, LeftOut]) -> dict[str, Interval]:
    """Each number with its interval, where there are other clips to compare with.

    Bleed is a difference of two correlations of one distribution where there is none: its interval is symmetric.
    """
    found = shared.numbers({key: of for key, of in means.items() if key != BLEED})
    if BLEED in means and means[BLEED].rows:
        found[BLEED] = means[BLEED].interval(STATISTICS[BLEED], is_symmetric=True)
    return found


def in_part(compared: OwnAndOthers, is_in_part: Sequence[bool]) -> LeftOut:
    """The means over some of the pairs, each against all of its others."""
    own = np.where(np.asarray(is_in_part, dtype=bool), compared.own, np.nan)
    return OwnAndOthers(own, compared.others, compared.other_scenes, compared.scenes, compared.names).means()


def _others(rows: pd.DataFrame) -> OtherClips:
    return OtherClips.of(*_names(rows))


def _names(rows: pd.DataFrame) -> tuple[list[str], list[tuple[str, ...]]]:
    return list(rows["sample"]), [tuple(names) for names in rows["scenes"]]
