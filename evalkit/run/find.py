"""Finds the runs below a folder: the one reader that tables, comparisons and gates share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalkit.errors import UserError
from evalkit.run.records import (
    INTERVALS,
    ColumnRecord,
    Conditions,
    Coverage,
    DamagedRecord,
    IntervalRecord,
    RunSummary,
)
from evalkit.run.store import read_summary

OUTDATED = "written before runs had a schema version: not comparable"


@dataclass(frozen=True)
class FoundRun:
    """A finished run and where it lies; ``outdated`` where it was written before records had a schema version."""

    path: Path
    summary: RunSummary
    outdated: bool = False


@dataclass(frozen=True)
class FoundRuns:
    """All runs below a folder that can be read, and a note, naming the folder, for each that cannot."""

    runs: tuple[FoundRun, ...]
    notes: tuple[str, ...]


def find_runs(folder: Path) -> FoundRuns:
    """Read all finished runs below a folder. Raises UserError where there is not one that can be read."""
    runs: list[FoundRun] = []
    notes: list[str] = []
    places = {path.parent for name in ("summary.json", "rows.parquet") for path in folder.rglob(name)}
    for place in sorted(places):
        try:
            run, kept = _with_current_intervals(_read(place))
            runs.append(run)
            notes += [f"{place}: intervals of {', '.join(kept)} are those of an earlier version: run it again"] * bool(
                kept
            )
        except DamagedRecord as error:
            notes.append(f"{place} is left out: {error}")
    if not runs:
        unreadable = f" ({'; '.join(notes)})" if notes else ""
        raise UserError(f"no finished run under {folder}: expected a folder with a summary.json{unreadable}")
    return FoundRuns(tuple(runs), tuple(notes))


def _read(place: Path) -> FoundRun:
    old = _old_tree(place / "summary.json")
    return FoundRun(place, read_summary(place)) if old is None else FoundRun(place, _old_summary(place, old), True)


def _with_current_intervals(run: FoundRun) -> tuple[FoundRun, tuple[str, ...]]:
    """Make intervals of an earlier version anew from the rows (means stay); and the columns that keep theirs."""
    if run.outdated or run.summary.intervals == INTERVALS:
        return run, ()
    from evalkit.run.row_numbers import with_new_intervals  # needs pandas and scipy

    summary, kept = with_new_intervals(run.path, run.summary)
    return replace(run, summary=summary), kept


def _old_tree(file: Path) -> dict[str, Any] | None:
    """The content of a summary without a schema version; None for any other file."""
    try:
        tree = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return tree if isinstance(tree, dict) and "schema_version" not in tree and "metrics" in tree else None


def _old_summary(place: Path, old: Mapping[str, Any]) -> RunSummary:
    """What a summary of before schema versions says, as a record; what it does not say stays empty."""
    try:
        conditions = Conditions(
            protocol=old["protocol"], protocol_settings=_old_settings(place), dataset=old["dataset"],
            dataset_settings={}, data="", index="", oracle={"name": old["oracle"]} if old["oracle"] else None,
            seed=0, resolution=0, pixels="", target_pose=old["target_pose"],
        )  # fmt: skip
        return RunSummary(
            digest="", conditions=conditions, baseline=old["baseline"], baseline_settings={},
            coverage=Coverage(**old["coverage"]), failures=old["failures"], counts=old["counts"],
            metrics={key: IntervalRecord(**value) for key, value in old["metrics"].items()},
            slices={key: IntervalRecord(**value) for key, value in old["slices"].items()},
            columns=tuple(ColumnRecord(**column) for column in old["columns"]), missing=old["missing"],
            references=old["references"], notes=tuple(old["notes"]), rows_sha256="",
        )  # fmt: skip
    except (KeyError, TypeError, ValidationError) as error:
        raise DamagedRecord(f"summary.json: neither of this schema nor of the one before ({error!r:.80})") from error


def _old_settings(place: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((place / "manifest.json").read_bytes())["inputs"]["protocol"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedRecord("manifest.json cannot be read") from error
