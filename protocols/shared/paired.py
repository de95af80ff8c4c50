"""Differences of two methods in numbers that compare with other clips, on the same samples."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from evalkit.protocol import Arrays
from evalkit.stats.jackknife import OwnAndOthers, jackknife_difference
from evalkit.stats.paired import Comparison
from protocols.shared.skill import Statistic

Run = tuple[pd.DataFrame, Arrays]  # the rows of a run, and the arrays of its samples


def of_both(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the samples that are in both, in the order of their ids."""
    both = set(a["sample"]) & set(b["sample"])
    kept_a, kept_b = (rows[rows["sample"].isin(both)].sort_values("sample") for rows in (a, b))
    return kept_a, kept_b


def differences(
    a: Mapping[str, OwnAndOthers], b: Mapping[str, OwnAndOthers], statistics: Mapping[str, Statistic]
) -> dict[str, Comparison]:
    """Return a - b by key, where both have it; rows and others are the same in both, in the same order."""
    found = {key: jackknife_difference(a[key], b[key], statistics[key]) for key in a if key in b}
    return {key: comparison for key, comparison in found.items() if comparison.difference.n}
