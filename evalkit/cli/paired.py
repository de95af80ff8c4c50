"""`evalkit show --against`: differences of methods on the same samples, with intervals and p-values."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
HEADER = ("difference", "95 % interval", "p", "n", "scenes", "only one has")
SAMPLES_SCORED = "scored samples"


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
        _print_tables(group, reference)
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


def _print_tables(group: Sequence[FoundRun], reference: str) -> None:
    """Print one table a method: a line a column, so that no terminal is too narrow."""
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
    corrected = [
        _corrected(
            [own.get(column.key) or compared(both, column.key) for own, both in zip(by_protocol, joined, strict=True)]
        )
        for column in columns
    ]
    for i, (run, both) in enumerate(zip(others, joined, strict=True)):
        comparisons = [(column, of_column[i]) for column, of_column in zip(columns, corrected, strict=True)]
        console().print(_table(run.summary.baseline, comparisons, both))
        for line in _reasons(comparisons):
            console().print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    console().print(CAPTION, markup=False, soft_wrap=True)
    set_level = [_plain_title(column) for column in base.summary.columns if column not in columns]
    if set_level:
        console().print(f"not compared sample by sample: {', '.join(set_level)}", markup=False, soft_wrap=True)


def _table(baseline: str, comparisons: Sequence[tuple[ColumnRecord, Comparison | None]], both: pd.DataFrame) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(Text(baseline), no_wrap=True)
    for title in HEADER:
        table.add_column(Text(title), justify="right")
    for column, comparison in comparisons:
        cells = _cells(column, comparison) if comparison else ("–",) * (len(HEADER) - 1)
        table.add_row(Text(_plain_title(column)), *cells, _only_one(both, column.key) if column.key in both else "")
    table.add_row(SAMPLES_SCORED, *[""] * (len(HEADER) - 1), _only_one(both, "status", "ok"))
    return table


def _plain_title(column: ColumnRecord) -> str:
    return column.title.replace("\n", " ")


def _corrected(comparisons: Sequence[Comparison | None]) -> list[Comparison | None]:
    """The comparisons of all methods in a column, with their p-values corrected together."""
    adjusted = holm([one.p_value if one else math.nan for one in comparisons])
    return [one and replace(one, p_value=p) for one, p in zip(comparisons, adjusted, strict=True)]


def compared(both: pd.DataFrame, key: str) -> Comparison | None:
    """Return other minus reference, of rows of both side by side; None where one has no such numbers."""
    other = f"{key} of the other"
    if other not in both or not all(pd.api.types.is_numeric_dtype(both[name]) for name in (key, other)):
        return None
    scenes = [tuple(names) for names in both["scenes"]]
    return paired_difference(both[other].to_numpy(dtype=float), both[key].to_numpy(dtype=float), scenes)


def _cells(column: ColumnRecord, comparison: Comparison) -> tuple[str, ...]:
    """Difference, interval, p, and the numbers of samples and scenes behind them."""
    scale, digits, interval = column.scale, column.digits, comparison.difference
    number = "–" if math.isnan(interval.mean) else f"{interval.mean * scale:+.{digits}f}"
    ends = " – ".join(f"{end * scale:+.{max(digits - 1, 0)}f}" for end in (interval.low, interval.high))
    p_value = "–" if math.isnan(comparison.p_value) else f"{comparison.p_value:.2g}"
    return number, "–" if math.isnan(interval.low) else ends, p_value, str(interval.n), str(interval.scenes)


def _only_one(both: pd.DataFrame, key: str, value: str | None = None) -> str:
    """How many samples have a number (or ``value``) of the method only, and of the reference only; empty if none."""
    name = f"{key} of the other"
    own = both[key]
    other = both[name] if name in both else pd.Series(np.nan, index=both.index)  # the method has no such number at all
    has_other, has_own = (part.notna() if value is None else part == value for part in (other, own))
    only_other, only_own = int(np.sum(has_other & ~has_own)), int(np.sum(has_own & ~has_other))
    return f"! {only_other} / {only_own}" if only_other or only_own else ""


def _reasons(comparisons: Sequence[tuple[ColumnRecord, Comparison | None]]) -> list[str]:
    """Why differences have no p-value, one line a reason."""
    columns: dict[str, list[str]] = {}
    for column, comparison in comparisons:
        if comparison and comparison.reason:
            columns.setdefault(comparison.reason, []).append(_plain_title(column))
    return [f"– {', '.join(titles)}: {reason}" for reason, titles in columns.items()]
