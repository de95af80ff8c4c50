"""Skill: how much nearer a render's motion is to its own clip A than to the clips A of other pairs.

With E the error of a trajectory in degrees (`trajectory_errors`), skill = 1 - (mean own E) / (mean other E). A render
that ignores A scores 0, whatever it does and however alike the clips are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evalkit.protocol import Arrays
from evalkit.stats.interval import Floats, Interval
from evalkit.stats.jackknife import LeftOut, OwnAndOthers
from protocols.tps.bleed import DRAWN, correlations
from protocols.tps.columns import (
    BEATEN,
    BLEED,
    BLURRED_W2C,
    FOLDED_AUC,
    NEAR_SKILL,
    OTHERS_ERROR,
    OWN_ERROR,
    REAL_W2C,
    RENDER_CHANGE,
    RENDER_W2C,
    SIGNED_AUC,
    SKILL,
    TARGET_CHANGE,
    floor,
)
from protocols.tps.others import MOST, OtherClips
from protocols.tps.trajectories import Errors, trajectory_errors

ALIKE_DEG = 45.0  # real clips whose motions differ by less, on average, are too alike to tell skill


def skill(own: Floats, others: Floats) -> Floats:
    """1 - own / others."""
    return 1 - own / others


def mean_of_others(own: Floats, others: Floats) -> Floats:
    """The mean over the other clips."""
    return others


def own_minus_others(own: Floats, others: Floats) -> Floats:
    """The mean over own clips less that over the others."""
    return own - others


# The numbers that compare with other clips, and how each is made of two means.
STATISTICS: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    SKILL: skill,
    NEAR_SKILL: skill,
    OTHERS_ERROR: mean_of_others,
    BEATEN: mean_of_others,
    floor(SIGNED_AUC.key): mean_of_others,
    floor(FOLDED_AUC.key): mean_of_others,
    BLEED: own_minus_others,
}
KEPT = (REAL_W2C, BLURRED_W2C, RENDER_W2C, TARGET_CHANGE, RENDER_CHANGE)
SHARES = (BEATEN, floor(SIGNED_AUC.key), floor(FOLDED_AUC.key))


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
class Motions:
    """The kept trajectories w2c [N, V, 4, 4] of N pairs whose real clip A the oracle could read."""

    others: OtherClips
    real: Tensor
    blurred: Tensor
    render: Tensor
    min_baseline: float

    @staticmethod
    def of(readable: pd.DataFrame, kept: Kept, min_baseline: float) -> Motions:
        """Take them from what is kept of the pairs."""
        real, blurred, render = kept.of(readable, (REAL_W2C, BLURRED_W2C, RENDER_W2C))
        return Motions(_others(readable), real, blurred, render, min_baseline)

    @cached_property
    def real_to_others(self) -> Errors:
        """The real clip A of each pair against the real clips of its others."""
        return self._errors(self.real, torch.from_numpy(self.others.index))

    @cached_property
    def nearest(self) -> Floats:
        """1 for the others whose real motion is most like that of A, NaN for the rest, [N, M]."""
        return np.where(self.others.nearest(self.real_to_others.degrees.numpy()), 1.0, np.nan)

    def compared(self) -> dict[str, OwnAndOthers]:
        """The renders with their own clip and with the others, by the key of the number that is made of it."""
        own, others = self.against(self.render)
        error, other_error = own.degrees[:, 0].numpy(), others.degrees.numpy()
        beaten = (other_error > error[:, None]) + 0.5 * (other_error == error[:, None])
        known = ~np.isnan(other_error) & ~np.isnan(error)[:, None]
        compared = self.others.compared
        return {
            SKILL: compared(error, other_error),
            NEAR_SKILL: compared(error, other_error * self.nearest),
            OTHERS_ERROR: compared(error, other_error),
            BEATEN: compared(error, np.where(known, beaten, np.nan)),
            floor(SIGNED_AUC.key): compared(own.auc_signed[:, 0].numpy(), others.auc_signed.numpy()),
            floor(FOLDED_AUC.key): compared(own.auc_folded[:, 0].numpy(), others.auc_folded.numpy()),
        }

    def against(self, w2c: Tensor) -> tuple[Errors, Errors]:
        """Errors of one trajectory a pair against its own real clip [N, 1], and against the others [N, M]."""
        own = torch.arange(len(w2c))[:, None]
        return self._errors(w2c, own), self._errors(w2c, torch.from_numpy(self.others.index))

    def ceiling(self) -> float:
        """The skill of the oracle on a blurred copy of A's real targets."""
        own, others = self.against(self.blurred)
        return float(skill(*self.others.compared(own.degrees[:, 0].numpy(), others.degrees.numpy()).whole()))

    def mean_of_real(self) -> dict[str, float]:
        """What real clips of other pairs score against A, by key: error in degrees, signed and folded AUC@20."""
        nothing = np.zeros(len(self.real))
        keys = (OWN_ERROR, SIGNED_AUC.key, FOLDED_AUC.key)
        means = [self.others.compared(nothing, part.numpy()).whole()[1] for part in self.real_to_others]
        return dict(zip(keys, map(float, means), strict=True))

    def _errors(self, w2c: Tensor, index: Tensor) -> Errors:
        return trajectory_errors(w2c, self.real, index, self.min_baseline)


def bleed_compared(scored: pd.DataFrame, kept: Kept) -> OwnAndOthers:
    """Correlations of renders with their own targets and with those of the others, of all pairs.

    Of more than `MOST` pairs, `DRAWN` others are compared with: their mean varies far less than the own correlation.
    """
    renders, targets = kept.of(scored, (RENDER_CHANGE, TARGET_CHANGE))
    others = _others(scored, MOST if len(scored) <= MOST else DRAWN)
    return others.compared(*correlations(renders, targets, others))


def numbers(means: Mapping[str, LeftOut]) -> dict[str, Interval]:
    """Each number with its interval, where there are other clips to compare with.

    Bleed is a difference of two correlations of one distribution where there is none: its interval is symmetric.
    """
    found = {key: of.interval(STATISTICS[key], is_symmetric=key == BLEED) for key, of in means.items() if of.rows}
    return {key: _inside(interval) if key in SHARES else interval for key, interval in found.items()}


def _inside(interval: Interval) -> Interval:
    """The part of an interval that lies in [0, 1]."""
    low, high = np.clip([interval.low, interval.high], 0.0, 1.0).tolist()
    return replace(interval, low=low, high=high)


def in_part(compared: OwnAndOthers, is_in_part: Sequence[bool]) -> LeftOut:
    """The means over some of the pairs, each against all of its others."""
    own = np.where(np.asarray(is_in_part, dtype=bool), compared.own, np.nan)
    return OwnAndOthers(own, compared.others, compared.other_scenes, compared.scenes, compared.names).means()


def _others(rows: pd.DataFrame, most: int = MOST) -> OtherClips:
    return OtherClips.of(list(rows["sample"]), [tuple(names) for names in rows["scenes"]], most)
