"""Numbers of `leak` over all clips together: what poses tell of targets, and what renders of B hold of A."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import torch

from evalkit.protocol import Arrays
from evalkit.stats.interval import Interval
from protocols.leak.claims import (
    BLEED_COLUMN,
    LEAST_SCENES,
    sentences_on_readable,
)
from protocols.leak.options import Tolerances
from protocols.leak.plan import ELSEWHERE
from protocols.leak.readable import readable_of
from protocols.shared.bleed import compared_with_others, is_flagged, own_minus_others
from protocols.shared.bleed_names import RENDER_CHANGE, TARGET_CHANGE, note_on_bleed

LEAKS = "carries pixels of its targets"  # block of a table


class Findings(NamedTuple):
    """What stands beside the checks: as in `evalkit.protocol.Summary`."""

    metrics: dict[str, Interval]
    notes: list[str]
    block: str


def over_all_clips(scored: pd.DataFrame, arrays: Arrays, tolerances: Tolerances) -> Findings:
    """What poses tell, and bleed, where there are enough clips."""
    told = readable_of(scored, arrays)
    notes, is_telling = sentences_on_readable(told, tolerances)
    bleed = _bleed(scored, arrays)
    is_bleeding = bleed is not None and is_flagged(bleed)
    metrics = dict(told)
    if bleed is not None:
        metrics[BLEED_COLUMN.key] = bleed
        if is_bleeding:
            notes.insert(0, note_on_bleed(bleed.mean, bleed.low, bleed.high))
    return Findings(metrics, notes, LEAKS if is_telling or is_bleeding else "")


def _bleed(scored: pd.DataFrame, arrays: Arrays) -> Interval | None:
    """Bleed of the renders of B; None where there are none, or too few clips.

    Of clips with different numbers of targets, those with the most common number are compared.
    """
    if ELSEWHERE.key not in scored:
        return None
    alike = scored[scored["n_target"] == scored["n_target"].mode().iloc[0]]
    if len({scenes[0] for scenes in alike["scenes"]}) < LEAST_SCENES:
        return None
    kept = [arrays(sample) for sample in alike["sample"]]
    renders, targets = (torch.stack([clip[name] for clip in kept]) for name in (RENDER_CHANGE, TARGET_CHANGE))
    scenes = [tuple(names) for names in alike["scenes"]]
    means = compared_with_others(renders, targets, list(alike["sample"]), scenes).means()
    return means.interval(own_minus_others, is_symmetric=True)
