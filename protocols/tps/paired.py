"""Differences of two methods in numbers of `tps` that compare with other clips, on the same pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from evalkit.protocol import Arrays
from evalkit.stats.jackknife import OwnAndOthers, in_common, jackknife_difference
from evalkit.stats.paired import Comparison
from protocols.shared.summaries import scored_rows
from protocols.tps.columns import BLEED, ORACLE_ON_REAL
from protocols.tps.skill import STATISTICS, Motions, bleed_compared

Run = tuple[pd.DataFrame, Arrays]  # the rows of a run, and the arrays of its samples


def paired(a: Run, b: Run, settings: Mapping[str, Any]) -> dict[str, Comparison]:
    """Return a - b by key, with intervals and p-values by the jackknife over scenes; ``settings`` are the protocol's.

    Both methods are compared on the pairs that both could be scored on, with the clips A of these pairs as others. A
    number that one of them does not have of a pair counts for neither.
    """
    min_baseline = float(settings["min_baseline"])
    scored = _of_both(scored_rows(a[0]), scored_rows(b[0]))
    readable = _of_both(*(rows[rows[ORACLE_ON_REAL] == "ok"] for rows in scored))
    compared_a, compared_b = (
        _compared(rows, kept, arrays, min_baseline)
        for rows, kept, arrays in zip(scored, readable, (a[1], b[1]), strict=True)
    )
    common = {key: in_common(compared_a[key], compared_b[key]) for key in compared_a}
    means = {key: (first.means(), second.means()) for key, (first, second) in common.items()}
    return {
        key: jackknife_difference(first, second, STATISTICS[key])
        for key, (first, second) in means.items()
        if first.rows
    }


def _of_both(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the samples that both hold."""
    both = set(a["sample"]) & set(b["sample"])
    return a[a["sample"].isin(both)], b[b["sample"].isin(both)]


def _compared(
    scored: pd.DataFrame, readable: pd.DataFrame, arrays: Arrays, min_baseline: float
) -> dict[str, OwnAndOthers]:
    compared = {BLEED: bleed_compared(scored, arrays)} if len(scored) else {}
    return compared | (Motions.of(readable, arrays, min_baseline).compared() if len(readable) else {})
