"""The numbers of each row behind the means of a finished run, and intervals made anew from them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from evalkit import registry
from evalkit.errors import UserError
from evalkit.registry import Group
from evalkit.run.records import IntervalRecord, RunSummary
from evalkit.stats import mean_interval


def rows_of(folder: Path) -> pd.DataFrame:
    """Read the rows of a run."""
    return pd.read_parquet(folder / "rows.parquet")


def numbers_of(folder: Path, summary: RunSummary) -> pd.DataFrame:
    """Rows of a run with all numbers that its columns are means of, also those that count failures."""
    rows = rows_of(folder)
    try:
        protocol = registry.load(Group.PROTOCOL, summary.conditions.protocol.partition("@")[0])
    except UserError:  # a protocol from outside that is not installed here
        return rows
    numbers = protocol.row_numbers(rows) if hasattr(protocol, "row_numbers") else {}
    return rows.assign(**numbers)


def with_new_intervals(folder: Path, summary: RunSummary) -> tuple[RunSummary, tuple[str, ...]]:
    """Return a summary whose intervals are computed anew, and the columns that keep theirs.

    A number is a mean of its rows, and gets a new interval, where the mean of the rows equals it to the last bit.
    """
    rows = numbers_of(folder, summary)
    rows = rows[rows["status"] == "ok"]
    scenes = [tuple(names) for names in rows["scenes"]]
    metrics, kept = dict(summary.metrics), []
    image_metrics = registry.names(Group.METRIC)
    for key, old in summary.metrics.items():
        if old.low is None or old.scenes == 0:
            continue
        is_number = key in rows and pd.api.types.is_numeric_dtype(rows[key])
        values = rows[[key]].to_numpy(dtype=float) if is_number else None
        by_name = False if key.partition("|")[0] in image_metrics else None  # for records that do not say
        bounded = by_name if old.bounded is None else old.bounded
        new = mean_interval(values, scenes, bounded=bounded)[0] if values is not None else None
        if new is None or new.mean != old.mean:
            kept.append(key)
            continue
        low, high = (None if end != end else end for end in (new.low, new.high))
        metrics[key] = IntervalRecord(
            mean=old.mean, low=low, high=high, n=new.n, scenes=new.scenes, bounded=new.bounded
        )
    return summary.model_copy(update={"metrics": metrics}), tuple(kept)
