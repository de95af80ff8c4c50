"""`evalkit show --rows`: every sample of every run in one file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from evalkit.cli.console import console
from evalkit.cli.tables import Run, finished_runs, grouped
from evalkit.files import write_atomically


def write_rows(folder: Path, file: Path) -> None:
    """Write what the tables under a folder are the means of: a line for each table, baseline and sample (CSV)."""
    found = [_rows(title, run) for title, group in grouped(finished_runs(folder)) for run in group]
    together = pd.concat(found, ignore_index=True)
    write_atomically(file, together.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode())
    console().print(f"{len(together)} rows: {file}", soft_wrap=True)


def _rows(title: str, run: Run) -> pd.DataFrame:
    path, summary = run
    rows = pd.read_parquet(Path(path, "rows.parquet"))
    keys = [column["key"] for column in summary["columns"] if column["key"] in rows]
    rows = rows[["sample", "scenes", "status", "reason", *keys]].assign(scenes=rows["scenes"].map(" ".join))
    rows.insert(0, "table", title)
    rows.insert(1, "baseline", str(summary["baseline"]))
    return rows
