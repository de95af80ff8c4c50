"""What `fid` asks of each render, which FID does not: is it B, is there anything of A in it, and is it right?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd
import torch

from evalkit.protocol import Arrays
from evalkit.stats import Interval
from protocols.shared.bleed import compared_with_others, is_flagged, own_minus_others
from protocols.shared.bleed_names import BLEED, RENDER_CHANGE, TARGET_CHANGE, note_on_bleed
from protocols.shared.summaries import intervals
from protocols.shared.transfer_columns import BLEEDING, EXACT, EXACT_GAIN, IDENTITY, IDENTITY_REAL

LEAST_IDENTITY = 0.75  # of an upper bound: frames of neither A nor B are nearer to B half of the time
NOT_B = "does not show B"  # block of a table
FID_DOES_NOT_RANK = (
    "FID does not rank: copies of real frames, of B in any order and even of A, have that of real frames"
)
NOTHING_RANKS = "nothing ranks here: these data cannot be rendered along A's motion; identity and bleed are conditions"


class EachRender(NamedTuple):
    """Numbers, notes and the block of the table."""

    metrics: Mapping[str, Interval]
    notes: tuple[str, ...]
    block: str


def of_each_render(scored: pd.DataFrame, arrays: Arrays) -> EachRender:
    """Identity, bleed and the exact transfer error; who fails identity or bleed stands outside the ranking."""
    metrics = intervals(scored, {key: scored[key] for key in (IDENTITY, IDENTITY_REAL) if key in scored})
    metrics |= intervals(scored, {key: scored[key] for key in EXACT if key in scored}, bounded=False)
    metrics |= _bleed(scored, arrays)
    notes, block = [FID_DOES_NOT_RANK, *([] if EXACT_GAIN in metrics else [NOTHING_RANKS])], ""
    if BLEED in metrics and is_flagged(bleed := metrics[BLEED]):
        notes, block = [note_on_bleed(bleed.mean, bleed.low, bleed.high), *notes], BLEEDING
    if IDENTITY in metrics and metrics[IDENTITY].high < LEAST_IDENTITY:
        notes, block = [_note_on_identity(metrics[IDENTITY]), *notes], NOT_B
    return EachRender(metrics, tuple(notes), block)


def _bleed(scored: pd.DataFrame, arrays: Arrays) -> dict[str, Interval]:
    """Bleed with its interval, where there are other clips to compare with."""
    samples, scenes = scored["sample"].tolist(), [tuple(names) for names in scored["scenes"]]
    kept = [arrays(sample) for sample in samples]
    renders, targets = (torch.stack([pair[name] for pair in kept]) for name in (RENDER_CHANGE, TARGET_CHANGE))
    means = compared_with_others(renders, targets, samples, scenes).means()
    return {BLEED: means.interval(own_minus_others, is_symmetric=True)} if means.rows else {}


def _note_on_identity(identity: Interval) -> str:
    return (
        f"identity: {100 * identity.mean:.0f} % of the renders are nearer to B than to A, surely less than "
        f"{100 * LEAST_IDENTITY:.0f} %: not ranked"
    )
