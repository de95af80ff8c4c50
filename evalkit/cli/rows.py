"""`evalkit show --rows`: every sample of every run in one file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from evalkit.cli.tables import grouped, print_notes
from evalkit.console import console
from evalkit.files import write_atomically
from evalkit.run.find import FoundRun, find_runs
from evalkit.run.row_numbers import rows_of


def write_rows(folder: Path, file: Path) -> None:
    """Write what the tables under a folder are the means of: a line for each table, baseline and sample (CSV)."""
    found = find_runs(folder)
    parts = [_rows(title, run) for title, group in grouped(found.runs) for run in group]
    together = pd.concat(parts, ignore_index=True)
    write_atomically(file, together.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode())
    console().print(f"{len(together)} rows: {file}", soft_wrap=True)
    print_notes(found.notes)


def _rows(title: str, run: FoundRun) -> pd.DataFrame:
    rows = rows_of(run.path)
    keys = [column.key for column in run.summary.columns if column.key in rows]
    rows = rows[["sample", "scenes", "status", "reason", *keys]].assign(scenes=rows["scenes"].map(" ".join))
    rows.insert(0, "table", title)
    rows.insert(1, "baseline", run.summary.baseline)
    return rows
