"""Differences of two methods in numbers of `tps` that compare with other clips, on the same pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from evalkit.protocol import Arrays
from evalkit.stats.jackknife import LeftOut, jackknife_difference
from evalkit.stats.paired import Comparison
from protocols.shared.summaries import scored_rows
from protocols.tps.columns import BLEED, ORACLE_ON_REAL
from protocols.tps.skill import STATISTICS, Motions, bleed_compared

Run = tuple[pd.DataFrame, Arrays]  # the rows of a run, and the arrays of its samples


def paired(a: Run, b: Run, settings: Mapping[str, Any]) -> dict[str, Comparison]:
    """Return a - b by key, with intervals and p-values by the jackknife over scenes; ``settings`` are the protocol's.

    Both methods are compared on the pairs that both could be scored on, with the clips A of these pairs as others.
    """
    both = set(scored_rows(a[0])["sample"]) & set(scored_rows(b[0])["sample"])
    means_a, means_b = (
        _means(rows[rows["sample"].isin(both)], arrays, float(settings["min_baseline"])) for rows, arrays in (a, b)
    )
    return {
        key: jackknife_difference(means_a[key], means_b[key], STATISTICS[key])
        for key in means_a
        if key in means_b and means_a[key].rows
    }


def _means(scored: pd.DataFrame, arrays: Arrays, min_baseline: float) -> dict[str, LeftOut]:
    if scored.empty:
        return {}
    means = {BLEED: bleed_compared(scored, arrays).means()}
    readable = scored[scored[ORACLE_ON_REAL] == "ok"]
    if readable.empty:
        return means
    compared = Motions.of(readable, arrays, min_baseline).compared()
    return means | {key: values.means() for key, values in compared.items()}
