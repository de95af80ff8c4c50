"""`evalkit show --against`: differences of methods on the same samples, with intervals and p-values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from evalkit.cli.paired_numbers import compared_by_protocol
from evalkit.cli.tables import Group, grouped, print_notes
from evalkit.config.describe import plain
from evalkit.console import console
from evalkit.errors import UserError
from evalkit.run.find import FoundRun, find_runs
from evalkit.run.records import ColumnRecord, Conditions
from evalkit.run.row_numbers import numbers_of
from evalkit.stats.paired import Comparison, holm, paired_difference

CAPTION = (
    "paired by sample; 95 % intervals by scene; two-sided p-values, Holm-corrected over the methods of a column\n"
    "! a / b: samples with a number of this method only / of the reference only"
)
SAMPLES_SCORED = "scored samples\nonly here / only there"


def show_paired(folder: Path, reference: str) -> None:
    """Print, for all finished runs under a folder, how far each method lies above ``reference`` on the same samples.

    What cannot be compared is named with the reason.
    """
    found = find_runs(folder)
    tables = grouped(found.runs)
    comparable = [(title, group) for title, group in tables if reference in _names(group)]
    if not comparable:
        raise UserError(f"no finished run of baseline={reference} under {folder} to compare with")
    for title, group in comparable:
        if _names(group).count(reference) > 1:
            raise UserError(f"several runs of baseline={reference} share a table: expected a folder above one of them")
        console().print(Text(f"{title} · difference to {reference}", "bold"), soft_wrap=True)
        _print_table(group, reference)
    print_notes([*_left_out(tables, comparable, reference), *found.notes])


def _names(group: Sequence[FoundRun]) -> list[str]:
    return [run.summary.baseline for run in group]


def _left_out(tables: Sequence[Group], comparable: Sequence[Group], reference: str) -> list[str]:
    """One line for each run that shares no table with the reference, and in what it differs from the nearest."""
    with_reference = [group[0].summary.conditions for _, group in comparable]
    notes = []
    for _, group in tables:
        if reference in _names(group):
            continue
        reasons = min((_differing(group[0].summary.conditions, other) for other in with_reference), key=len)
        reason = ", ".join(reasons) or "written before runs had a schema version"
        notes += [f"{run.summary.baseline} is not compared with {reference}: {reason} ({run.path})" for run in group]
    return notes


def _differing(own: Conditions, other: Conditions) -> list[str]:
    """The conditions in which two runs differ: "target_pose is joint, not given"."""
    reasons = []
    for name in Conditions.model_fields:
        one, two = getattr(own, name), getattr(other, name)
        if one == two:
            continue
        if isinstance(one, dict) and isinstance(two, dict):
            keys = sorted(key for key in one.keys() | two.keys() if one.get(key) != two.get(key))
            reasons += [f"{name}.{key} is {plain(one.get(key))}, not {plain(two.get(key))}" for key in keys]
        elif name in ("data", "index"):
            reasons.append(f"another {name}")
        else:
            reasons.append(f"{name} is {plain(one)}, not {plain(two)}")
    return reasons


def _print_table(group: Sequence[FoundRun], reference: str) -> None:
    base = group[_names(group).index(reference)]
    others = [run for run in group if run is not base]
    base_rows = numbers_of(base.path, base.summary)
    joined = [
        base_rows.merge(numbers_of(run.path, run.summary), on="sample", suffixes=("", " of the other"))
        for run in others
    ]
    by_protocol = [compared_by_protocol(run, base) for run in others]
    known = {*base_rows, *(key for comparisons in by_protocol for key in comparisons)}
    columns = [column for column in base.summary.columns if column.key in known]
    comparisons = {
        column.key: [
            own.get(column.key) or compared(both, column.key) for own, both in zip(by_protocol, joined, strict=True)
        ]
        for column in columns
    }
    ends = [_only_one(both, "status", "ok") for both in joined]
    cells = [_column_cells(column, comparisons[column.key], joined) for column in columns]
    for part in _fitting(others, columns, cells, ends):
        console().print(part)
    set_level = [column.title.replace("\n", " ") for column in base.summary.columns if column not in columns]
    if set_level:
        console().print(f"not compared sample by sample: {', '.join(set_level)}", markup=False, soft_wrap=True)
    for line in dict.fromkeys(_reasons(columns, others, comparisons)):
        console().print(f"–: {line}", markup=False, highlight=False, soft_wrap=True)


def _fitting(
    others: Sequence[FoundRun], columns: Sequence[ColumnRecord], cells: Sequence[Sequence[str]], ends: Sequence[str]
) -> list[Table]:
    """Tables of all columns in their order, each no wider than what is printed on."""
    tables: list[Table] = []
    first = 0
    for last in range(1, len(columns) + 1):
        wider = _table(others, columns[first:last], cells[first:last], ends)
        if last - first > 1 and console().measure(wider).maximum >= console().width:
            first = last - 1
            tables.append(_table(others, columns[first:last], cells[first:last], ends))
        else:
            tables[-1:] = [wider]
    return tables


def _table(
    others: Sequence[FoundRun], columns: Sequence[ColumnRecord], cells: Sequence[Sequence[str]], ends: Sequence[str]
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, caption_justify="left", caption=CAPTION)
    table.add_column("baseline", no_wrap=True)
    for title in (*(column.title for column in columns), SAMPLES_SCORED):
        table.add_column(Text(title), justify="right")
    for i, run in enumerate(others):
        table.add_row(Text(run.summary.baseline), *(column[i] for column in cells), ends[i])
    return table


def compared(both: pd.DataFrame, key: str) -> Comparison | None:
    """Return other minus reference, of rows of both side by side; None where one has no such numbers."""
    other = f"{key} of the other"
    if other not in both or not all(pd.api.types.is_numeric_dtype(both[name]) for name in (key, other)):
        return None
    scenes = [tuple(names) for names in both["scenes"]]
    return paired_difference(both[other].to_numpy(dtype=float), both[key].to_numpy(dtype=float), scenes)


def _column_cells(
    column: ColumnRecord, comparisons: Sequence[Comparison | None], joined: Sequence[pd.DataFrame]
) -> list[str]:
    """Cells of all methods in a column, whose p-values are corrected together."""
    adjusted = holm([one.p_value if one else math.nan for one in comparisons])
    return [
        _cell(column, replace(one, p_value=p), both) if one else "–"
        for one, p, both in zip(comparisons, adjusted, joined, strict=True)
    ]


def _cell(column: ColumnRecord, comparison: Comparison, both: pd.DataFrame) -> str:
    """Difference, interval, p and n; and how many samples only one of both methods has a number for."""
    scale, digits, interval = column.scale, column.digits, comparison.difference
    if math.isnan(interval.mean):
        lines = ["–"]
    else:
        lines = [f"{interval.mean * scale:+.{digits}f}"]
        ends = " – ".join(f"{end * scale:+.{max(digits - 1, 0)}f}" for end in (interval.low, interval.high))
        lines += [] if math.isnan(interval.low) else [ends]
        lines.append("p –" if math.isnan(comparison.p_value) else f"p = {comparison.p_value:.2g}")
    lines += [f"n = {interval.n}"] + [f"{interval.scenes} scenes"] * (interval.n < len(both))
    one_sided = _only_one(both, column.key) if column.key in both else "0 / 0"
    return "\n".join(lines if one_sided == "0 / 0" else [*lines, f"! {one_sided}"])


def _only_one(both: pd.DataFrame, key: str, value: str | None = None) -> str:
    """How many samples have a number (or ``value``) of the method only, and of the reference only."""
    other, own = both[f"{key} of the other"], both[key]
    has_other, has_own = (part.notna() if value is None else part == value for part in (other, own))
    return f"{int(np.sum(has_other & ~has_own))} / {int(np.sum(has_own & ~has_other))}"


def _reasons(
    columns: Sequence[ColumnRecord],
    others: Sequence[FoundRun],
    comparisons: Mapping[str, Sequence[Comparison | None]],
) -> list[str]:
    """Why a difference has no p-value."""
    return [
        f"{run.summary.baseline}, {column.title.replace(chr(10), ' ')}: {comparison.reason}"
        for i, run in enumerate(others)
        for column in columns
        if (comparison := comparisons[column.key][i]) and comparison.reason
    ]
