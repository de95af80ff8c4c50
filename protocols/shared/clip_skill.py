"""Skill of cameras of single clips, which may differ in their numbers of views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from evalkit.stats.interval import Interval
from evalkit.stats.jackknife import OwnAndOthers
from protocols.shared.others import OtherClips
from protocols.shared.skill import Motions, joined, numbers
from protocols.shared.skill_names import ALIKE_DEG, NEAR_SKILL, OTHERS_LINE, OWN_ERROR, SKILL, note_on_alike


class Comparisons(NamedTuple):
    """Values of clips with their own and with other clips, by key: of estimated cameras, and of the true ones."""

    estimated: Mapping[str, OwnAndOthers]
    true: Mapping[str, OwnAndOthers]


class SkillFindings(NamedTuple):
    """Numbers with intervals, what the true cameras of other clips score, and why there is no skill."""

    metrics: Mapping[str, Interval]
    references: Mapping[str, Mapping[str, float]]
    notes: tuple[str, ...]


def compare_clips(
    rows: pd.DataFrame, true: Sequence[Tensor], estimated: Sequence[Tensor], min_baseline: float
) -> Comparisons:
    """Compare estimated cameras with the true ones of their clip, and of clips of other scenes with as many views.

    Args:
        rows: samples and their scenes, one or more.
        true, estimated: w2c [V, 4, 4] of each row; estimates may be NaN.
        min_baseline: see `evalkit.metrics.motion.long_baselines`, of the true cameras.
    """
    views = [len(w2c) for w2c in true]
    motions = []
    for count in sorted(set(views)):
        index = [i for i, number in enumerate(views) if number == count]
        part = rows.iloc[index]
        others = OtherClips.of(list(part["sample"]), [tuple(names) for names in part["scenes"]])
        real, predicted = (torch.stack([each[i] for i in index]).double() for each in (true, estimated))
        motions.append(Motions(others, real, predicted, min_baseline))
    return Comparisons(
        _joined([each.compared() for each in motions]), _joined([each.compared_of_real() for each in motions])
    )


def skill_findings(found: Comparisons) -> SkillFindings:
    """Skill and what belongs to it, where there are other clips, and where they are not too alike."""
    if not found.true[OWN_ERROR].means().rows:
        return SkillFindings({}, {}, ("no skill: there are no other clips to compare with",))
    metrics = numbers({key: values.means() for key, values in found.estimated.items()})
    of_true = {key: float(values.whole()[1]) for key, values in found.true.items()}
    notes: tuple[str, ...] = ()
    if of_true[OWN_ERROR] < ALIKE_DEG:
        metrics = {key: number for key, number in metrics.items() if key not in (SKILL, NEAR_SKILL)}
        notes = (note_on_alike(of_true[OWN_ERROR], "different clips"),)
    return SkillFindings(metrics, {OTHERS_LINE: of_true}, notes)


def _joined(parts: Sequence[Mapping[str, OwnAndOthers]]) -> dict[str, OwnAndOthers]:
    return {key: joined([part[key] for part in parts]) for key in parts[0]}
