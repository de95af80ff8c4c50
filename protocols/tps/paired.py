"""Differences of two methods in numbers of `tps` that compare with other clips, on the same pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from evalkit.protocol import Arrays
from evalkit.stats.jackknife import OwnAndOthers, jackknife_difference
from evalkit.stats.paired import Comparison
from protocols.shared.summaries import scored_rows
from protocols.tps.columns import BLEED, ORACLE_ON_REAL
from protocols.tps.skill import STATISTICS, Kept, Motions, bleed_compared

Run = tuple[pd.DataFrame, Arrays]  # the rows of a run, and the arrays of its samples


def paired(a: Run, b: Run, settings: Mapping[str, Any]) -> dict[str, Comparison]:
    """Return a - b by key, with intervals and p-values by the jackknife over scenes; ``settings`` are the protocol's.

    Both methods are compared on the pairs that both could be scored on, with the clips A of these pairs as others.
    """
    scored_a, scored_b = _of_both(scored_rows(a[0]), scored_rows(b[0]))
    readable_a, readable_b = _of_both(*(rows[rows[ORACLE_ON_REAL] == "ok"] for rows in (scored_a, scored_b)))
    min_baseline = float(settings["min_baseline"])
    compared_a = _compared(scored_a, readable_a, a[1], min_baseline)
    compared_b = _compared(scored_b, readable_b, b[1], min_baseline)
    found = {
        key: jackknife_difference(compared_a[key], compared_b[key], STATISTICS[key])
        for key in compared_a
        if key in compared_b
    }
    return {key: comparison for key, comparison in found.items() if comparison.difference.n}


def _of_both(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the samples that are in both, in the order of their ids."""
    both = set(a["sample"]) & set(b["sample"])
    kept_a, kept_b = (rows[rows["sample"].isin(both)].sort_values("sample") for rows in (a, b))
    return kept_a, kept_b


def _compared(
    scored: pd.DataFrame, readable: pd.DataFrame, arrays: Arrays, min_baseline: float
) -> dict[str, OwnAndOthers]:
    kept = Kept.read(scored, arrays)
    compared = {} if scored.empty else {BLEED: bleed_compared(scored, kept)}
    return compared | ({} if readable.empty else Motions.of(readable, kept, min_baseline).compared())
