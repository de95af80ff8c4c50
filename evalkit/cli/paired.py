"""`evalkit show --against`: differences of methods on the same samples, with intervals and p-values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from evalkit.cli.paired_numbers import compared_by_protocol
from evalkit.cli.tables import grouped, print_notes
from evalkit.console import console
from evalkit.errors import UserError
from evalkit.run.find import FoundRun, find_runs
from evalkit.run.records import ColumnRecord
from evalkit.stats.paired import Comparison, paired_difference


def show_paired(folder: Path, reference: str) -> None:
    """Print, for all finished runs under a folder, how far each method lies above ``reference`` on the same samples."""
    found = find_runs(folder)
    groups = [(title, group) for title, group in grouped(found.runs) if reference in _names(group)]
    if not groups:
        raise UserError(f"no finished run of baseline={reference} under {folder} to compare with")
    for title, group in groups:
        if _names(group).count(reference) > 1:
            raise UserError(f"several runs of baseline={reference} share a table: expected a folder above one of them")
        console().print(Text(f"{title} · difference to {reference}", "bold"), soft_wrap=True)
        console().print(_table(group, reference))
    print_notes(found.notes)


def _names(group: Sequence[FoundRun]) -> list[str]:
    return [run.summary.baseline for run in group]


def _table(group: Sequence[FoundRun], reference: str) -> Table:
    base = group[_names(group).index(reference)]
    base_rows = rows_of(base)
    by_protocol = [compared_by_protocol(other, base) for other in group if other is not base]
    known = {*base_rows, *(key for of_other in by_protocol for key in of_other)}
    columns = [column for column in base.summary.columns if column.key in known]
    table = Table(box=box.SIMPLE_HEAD, caption_justify="left")
    table.caption = "paired by sample; 95 % intervals and two-sided p-values, clustered by scene"
    table.add_column("baseline", no_wrap=True)
    for column in columns:
        table.add_column(Text(column.title), justify="right")
    for other, own in zip((run for run in group if run is not base), by_protocol, strict=True):
        both = base_rows.merge(rows_of(other), on="sample", suffixes=("", " of the other"))
        cells = [_cell(column, own.get(column.key) or compared(both, column.key)) for column in columns]
        table.add_row(Text(other.summary.baseline), *cells)
    return table


def rows_of(run: FoundRun) -> pd.DataFrame:
    """Read the rows of a run."""
    return pd.read_parquet(run.path / "rows.parquet")


def compared(both: pd.DataFrame, key: str) -> Comparison | None:
    """Return other minus reference, of rows of both side by side; None where the other has no such column."""
    other = f"{key} of the other"
    if other not in both:
        return None
    scenes = [tuple(names) for names in both["scenes"]]
    return paired_difference(both[other].to_numpy(dtype=float), both[key].to_numpy(dtype=float), scenes)


def _cell(column: ColumnRecord, comparison: Comparison | None) -> str:
    if comparison is None or comparison.difference.mean != comparison.difference.mean:
        return "-"
    scale, digits, interval = column.scale, column.digits, comparison.difference
    mean = f"{interval.mean * scale:+.{digits}f}"
    if interval.low != interval.low:
        return mean
    ends = " – ".join(f"{end * scale:+.{max(digits - 1, 0)}f}" for end in (interval.low, interval.high))
    return f"{mean}\n{ends}\np = {comparison.p_value:.2g}"
