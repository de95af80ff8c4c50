"""Skill: how much nearer a motion is to that of its own clip than to those of other clips.

With E the error of a trajectory in degrees (`trajectory_errors`), skill = 1 - (mean own E) / (mean other E). A motion
that ignores its clip scores 0, whatever it is and however alike the clips are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from evalkit.stats.interval import Floats, Interval
from evalkit.stats.jackknife import LeftOut, OwnAndOthers
from protocols.shared.others import OtherClips
from protocols.shared.skill_names import (
    BEATEN,
    FOLDED_AUC,
    NEAR_SKILL,
    OTHERS_ERROR,
    OWN_ERROR,
    SIGNED_AUC,
    SKILL,
    floor,
)
from protocols.shared.trajectories import Errors, trajectory_errors

Statistic = Callable[[Floats, Floats], Floats]


def skill(own: Floats, others: Floats) -> Floats:
    """1 - own / others."""
    return 1 - own / others


def mean_of_others(own: Floats, others: Floats) -> Floats:
    """The mean over the other clips."""
    return others


# The numbers that compare with other clips, and how each is made of two means.
STATISTICS: Mapping[str, Statistic] = {
    SKILL: skill,
    NEAR_SKILL: skill,
    OTHERS_ERROR: mean_of_others,
    BEATEN: mean_of_others,
    floor(SIGNED_AUC.key): mean_of_others,
    floor(FOLDED_AUC.key): mean_of_others,
}
SHARES = (BEATEN, floor(SIGNED_AUC.key), floor(FOLDED_AUC.key))


@dataclass(frozen=True)
class Motions:
    """Trajectories w2c [N, V, 4, 4] of N clips: the real ones, and those that are estimated of the same clips."""

    others: OtherClips
    real: Tensor
    estimated: Tensor
    min_baseline: float

    @cached_property
    def real_to_others(self) -> Errors:
        """The real motion of each clip against those of its others."""
        return self._errors(self.real, torch.from_numpy(self.others.index))

    @cached_property
    def nearest(self) -> Floats:
        """1 for the others whose real motion is most like that of the clip, NaN for the rest, [N, M]."""
        return np.where(self.others.nearest(self.real_to_others.degrees.numpy()), 1.0, np.nan)

    def compared(self) -> dict[str, OwnAndOthers]:
        """The estimates with their own clip and with the others, by the key of the number that is made of it."""
        own, others = self.against(self.estimated)
        error, other_error = own.degrees[:, 0].numpy(), others.degrees.numpy()
        compared = self.others.compared
        return {
            SKILL: compared(error, other_error),
            NEAR_SKILL: compared(error, other_error * self.nearest),
            OTHERS_ERROR: compared(error, other_error),
            BEATEN: compared(error, beaten(error, other_error)),
            floor(SIGNED_AUC.key): compared(own.auc_signed[:, 0].numpy(), others.auc_signed.numpy()),
            floor(FOLDED_AUC.key): compared(own.auc_folded[:, 0].numpy(), others.auc_folded.numpy()),
        }

    def against(self, w2c: Tensor) -> tuple[Errors, Errors]:
        """Errors of one trajectory a clip against its own real clip [N, 1], and against the others [N, M]."""
        own = torch.arange(len(w2c))[:, None]
        return self._errors(w2c, own), self._errors(w2c, torch.from_numpy(self.others.index))

    def compared_of_real(self) -> dict[str, OwnAndOthers]:
        """What the real motions of other clips score, by key: error in degrees, signed and folded AUC@20."""
        nothing = np.zeros(len(self.real))
        keys = (OWN_ERROR, SIGNED_AUC.key, FOLDED_AUC.key)
        parts = zip(keys, self.real_to_others, strict=True)
        return {key: self.others.compared(nothing, part.numpy()) for key, part in parts}

    def mean_of_real(self) -> dict[str, float]:
        """The means of `compared_of_real`."""
        return {key: float(values.whole()[1]) for key, values in self.compared_of_real().items()}

    def _errors(self, w2c: Tensor, index: Tensor) -> Errors:
        return trajectory_errors(w2c, self.real, index, self.min_baseline)


def beaten(own: Floats, others: Floats) -> Floats:
    """Mark the others [N, M] with a larger error than the own one [N]: 1, 0.5 where equal, NaN where unknown."""
    larger = (others > own[:, None]) + 0.5 * (others == own[:, None])
    return np.where(np.isnan(others) | np.isnan(own)[:, None], np.nan, larger)


def numbers(means: Mapping[str, LeftOut]) -> dict[str, Interval]:
    """Each number with its interval, where there are other clips to compare with."""
    found = {key: of.interval(STATISTICS[key]) for key, of in means.items() if of.rows}
    return {key: inside(interval) if key in SHARES else interval for key, interval in found.items()}


def inside(interval: Interval) -> Interval:
    """The part of an interval that lies in [0, 1]."""
    low, high = np.clip([interval.low, interval.high], 0.0, 1.0).tolist()
    return replace(interval, low=low, high=high)


def joined(parts: Sequence[OwnAndOthers]) -> OwnAndOthers:
    """The rows of all parts, each with the others of its own part."""
    names = sorted({name for part in parts for name in part.names})
    position = {name: i for i, name in enumerate(names)}
    width = max(part.others.shape[1] for part in parts)
    renumbered = [np.array([position[name] for name in part.names], dtype=np.int64) for part in parts]
    numbered = zip(renumbered, parts, strict=True)
    return OwnAndOthers(
        np.concatenate([part.own for part in parts]),
        np.concatenate([_widened(part.others, width, np.nan) for part in parts]),
        np.concatenate([_widened(number[part.other_scenes], width, 0) for number, part in numbered]),
        [scenes for part in parts for scenes in part.scenes],
        names,
    )


def _widened(values: np.ndarray, width: int, filling: float) -> np.ndarray:
    return np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=filling)
