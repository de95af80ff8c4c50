"""`evalkit show --against`: differences of methods on the same samples, with intervals and p-values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table

from evalkit.cli.console import console
from evalkit.cli.tables import Run, finished_runs, grouped
from evalkit.errors import UserError
from evalkit.stats.paired import Comparison, paired_difference


def show_paired(folder: Path, reference: str) -> None:
    """Print, for all finished runs under a folder, how far each method lies above ``reference`` on the same samples."""
    groups = [(title, group) for title, group in grouped(finished_runs(folder)) if reference in _names(group)]
    if not groups:
        raise UserError(f"no finished run of baseline={reference} under {folder} to compare with")
    for title, group in groups:
        if _names(group).count(reference) > 1:
            raise UserError(f"several runs of baseline={reference} share a table: expected a folder above one of them")
        console().print(_table(title, group, reference))


def _names(group: list[Run]) -> list[str]:
    return [str(summary["baseline"]) for _, summary in group]


def _table(title: str, group: list[Run], reference: str) -> Table:
    path, summary = group[_names(group).index(reference)]
    base = _rows(path)
    columns = [column for column in summary["columns"] if column["key"] in base]
    table = Table(title=f"{title} · difference to {reference}", box=box.SIMPLE_HEAD, title_justify="left")
    table.caption = "paired by sample; 95 % intervals and two-sided p-values, clustered by scene"
    table.add_column("baseline", no_wrap=True)
    for column in columns:
        table.add_column(column["title"], justify="right")
    for other, found in group:
        if other != path:
            both = base.merge(_rows(other), on="sample", suffixes=("", " of the other"))
            cells = [_cell(column, compared(both, column["key"])) for column in columns]
            table.add_row(str(found["baseline"]), *cells)
    return table


def _rows(folder: str) -> pd.DataFrame:
    return pd.read_parquet(Path(folder, "rows.parquet"))


def compared(both: pd.DataFrame, key: str) -> Comparison | None:
    """Other minus reference, of rows of both side by side; None where the other has no such column."""
    other = f"{key} of the other"
    if other not in both:
        return None
    scenes = [tuple(each) for each in both["scenes"]]
    return paired_difference(both[other].to_numpy(dtype=float), both[key].to_numpy(dtype=float), scenes)


def _cell(column: dict[str, Any], found: Comparison | None) -> str:
    if found is None or found.difference.mean != found.difference.mean:
        return "-"
    scale, digits, interval = column["scale"], column["digits"], found.difference
    mean = f"{interval.mean * scale:+.{digits}f}"
    if interval.low != interval.low:
        return mean
    ends = " – ".join(f"{end * scale:+.{max(digits - 1, 0)}f}" for end in (interval.low, interval.high))
    return f"{mean}\n{ends}\np = {found.p_value:.2g}"
