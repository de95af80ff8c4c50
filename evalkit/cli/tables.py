"""Tables of runs: runs stand in one table only if they share all conditions that decide comparability."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from rich import box
from rich.table import Table
from rich.text import Text

from evalkit.config.describe import plain
from evalkit.console import console
from evalkit.run.find import OUTDATED, FoundRun, find_runs
from evalkit.run.records import ColumnRecord, Conditions, IntervalRecord, RunSummary
from evalkit.stats.interval import MIN_SCENES

Group = tuple[str, list[FoundRun]]  # a table's title, and the runs in it
DIGESTS = ("index", "data")
CAPTION = f"95 % intervals, clustered by scene; none with fewer than {MIN_SCENES} scenes"


def show_runs(folder: Path, markdown: bool) -> None:
    """Print all finished runs under a folder, and a note for each that cannot be read."""
    found = find_runs(folder)
    if markdown:
        for title, group in grouped(found.runs):
            console().print(_markdown(title, group), soft_wrap=True, markup=False, highlight=False)
    else:
        print_tables(found.runs)
    print_notes(found.notes)


def print_notes(notes: Iterable[str]) -> None:
    """Print what a reader must know about runs that are not shown."""
    for note in notes:
        console().print(Text("note: ", "yellow") + Text(note), soft_wrap=True)


def print_tables(runs: Sequence[FoundRun], origins: Mapping[Path, str] | None = None) -> None:
    """Print runs with intervals, coverage, failures by reason, where they lie, and where their rows come from."""
    for title, group in grouped(runs):
        console().print(Text(title, "bold"), soft_wrap=True)
        console().print(_table(group))
        if any(run.summary.slices for run in group):
            console().print(_slices(group))
        shared = [note for note in group[0].summary.notes if all(note in run.summary.notes for run in group)]
        for line in [*_missing(group), *shared]:
            console().print(line, markup=False, highlight=False, soft_wrap=True)
        for run in group:
            origin = f" · {origins[run.path]}" if origins else ""
            console().print(Text(run.summary.baseline, "bold") + Text(f" {run.path}{origin}"), soft_wrap=True)
            for line in (line for line in _remarks(run.summary) if line not in shared):
                console().print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def grouped(runs: Iterable[FoundRun]) -> list[Group]:
    """Group runs that share a table, by its title, which names the settings that tell tables apart."""
    alike: dict[tuple[str, bool], list[FoundRun]] = {}
    for run in runs:
        alike.setdefault((run.summary.conditions.model_dump_json(), run.outdated), []).append(run)
    groups = list(alike.values())
    titles = [_title(group[0]) for group in groups]
    facts = [_facts(group[0].summary.conditions) for group in groups]
    settings = sorted({name for known in facts for name in known} - set(DIGESTS))
    for names in (settings, DIGESTS):  # digests only where settings do not tell tables apart
        titles = _told_apart(titles, facts, names)
    return list(zip(titles, groups, strict=True))


def _title(run: FoundRun) -> str:
    conditions = run.summary.conditions
    title = f"{conditions.protocol} · {conditions.dataset} · target poses: {conditions.target_pose}"
    title += f" · oracle: {conditions.oracle['name']}" if conditions.oracle else ""
    return title + (f" · {OUTDATED}" if run.outdated else "")


def _facts(conditions: Conditions) -> dict[str, str]:
    """Everything that tells tables apart, by the name that a title gives it."""
    settings = {**conditions.protocol_settings, **_flat(conditions.dataset_settings, "dataset.")}
    facts = {key: plain(value) for key, value in _flat(settings).items()}
    facts |= {f"oracle.{key}": plain(value) for key, value in (conditions.oracle or {}).items()}
    facts |= {"seed": str(conditions.seed), "pixels": conditions.pixels}
    facts.setdefault("resolution", str(conditions.resolution))
    return facts | {"index": conditions.index[:8], "data": conditions.data[:8]}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _told_apart(titles: Sequence[str], facts: Sequence[Mapping[str, str]], names: Sequence[str]) -> list[str]:
    """Add to titles that are equal those of the facts ``names`` in which their tables differ."""
    told = []
    for title, own in zip(titles, facts, strict=True):
        same = [other for other_title, other in zip(titles, facts, strict=True) if other_title == title]
        differing = [name for name in names if any(other.get(name) != own.get(name) for other in same)]
        told.append(title + "".join(f" · {name.removeprefix('dataset.')}={own.get(name)}" for name in differing))
    return told


def _remarks(summary: RunSummary) -> list[str]:
    """Everything that did not go well, and what a reader must know."""
    lines = [f"{count} failed: {reason}" for reason, count in summary.failures.items()]
    lines += [f"{what}: {count}" for what, count in summary.counts.items() if count]
    return lines + list(summary.notes)


def _coverage(summary: RunSummary) -> str:
    return f"{summary.coverage.scored}/{summary.coverage.planned}"


def _cell(column: ColumnRecord, summary: RunSummary) -> tuple[str, str]:
    """The mean, and its 95 % interval with a digit less, where one can be estimated."""
    interval = summary.metrics.get(column.key)
    if interval is None or not _is_number(interval.mean):
        return "-", ""
    mean = f"{interval.mean * column.scale:.{column.digits}f}"
    if not _is_number(interval.low) or not _is_number(interval.high) or 0 < interval.scenes < MIN_SCENES:
        return mean, ""
    low, high = (f"{end * column.scale:.{max(column.digits - 1, 0)}f}" for end in (interval.low, interval.high))
    return mean, f"{low}–{high}"


def _is_number(value: float | None) -> TypeGuard[float]:
    """Whether a number exists: a summary that was just made says NaN, one that was read says None."""
    return value is not None and value == value


def _scenes(summary: RunSummary) -> int:
    """How many scenes stand behind most numbers."""
    counts = [found.scenes for column in summary.columns if (found := summary.metrics.get(column.key)) and found.scenes]
    return max(counts, key=counts.count, default=0)


def _cell_lines(column: ColumnRecord, summary: RunSummary) -> str:
    """The cell of a table, with the number of scenes behind it where that is not the run's."""
    mean, span = _cell(column, summary)
    interval = summary.metrics.get(column.key)
    lines = [mean, span or ("–" if mean != "-" and interval and interval.scenes else "")]
    if interval and mean != "-" and interval.scenes not in (0, _scenes(summary)):
        lines.append(f"{interval.scenes} scenes")
    return "\n".join(lines).rstrip()


def _columns(group: Sequence[FoundRun]) -> list[ColumnRecord]:
    """The protocol's columns that hold a number in at least one run, and those that would if weights were here."""

    def is_shown(column: ColumnRecord) -> bool:
        return any(_cell(column, run.summary)[0] != "-" or column.key in run.summary.missing for run in group)

    return [column for column in group[0].summary.columns if is_shown(column)]


def _missing(group: Sequence[FoundRun]) -> list[str]:
    """One line for each column that could not be computed for want of weights."""
    lacking = {key: names for run in group for key, names in run.summary.missing.items()}
    titles = {column.key: column.title.replace("\n", " ") for column in group[0].summary.columns}
    return [
        f"{titles[key]}: - (weights not here; type `evalkit weights pull {' '.join(names)}`)"
        for key, names in lacking.items()
    ]


def _reference_cell(column: ColumnRecord, values: Mapping[str, float | None]) -> str:
    value = values.get(column.key)
    return "" if value is None else f"{value * column.scale:.{column.digits}f}"


def _table(group: Sequence[FoundRun]) -> Table:
    columns = _columns(group)
    table = Table(box=box.SIMPLE_HEAD, caption=CAPTION, caption_justify="left")
    table.add_column("baseline", no_wrap=True)
    for column in columns:
        table.add_column(Text(column.title), justify="right")
    table.add_column("samples", justify="right")
    table.add_column("scenes", justify="right")
    for run in group:
        cells = [_cell_lines(column, run.summary) for column in columns]
        table.add_row(Text(run.summary.baseline), *cells, _coverage(run.summary), str(_scenes(run.summary) or "-"))
    for name, values in group[0].summary.references.items():
        table.add_row(Text(name), *(_reference_cell(column, values) for column in columns), "", "", style="dim")
    return table


def _slices(group: Sequence[FoundRun]) -> Table:
    """The first column's number over parts of the samples."""
    column = group[0].summary.columns[0]
    names = list(dict.fromkeys(name for run in group for name in run.summary.slices))
    title = f"{column.title.replace(chr(10), ' ')} by part (samples, scenes)"
    table = Table(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("baseline", no_wrap=True)
    for name in names:
        table.add_column(Text(name), justify="right")
    for run in group:
        parts = (_part(column, run.summary.slices.get(name)) for name in names)
        table.add_row(Text(run.summary.baseline), *parts)
    return table


def _part(column: ColumnRecord, interval: IntervalRecord | None) -> str:
    if interval is None or not _is_number(interval.mean):
        return "-"
    return f"{interval.mean * column.scale:.{column.digits}f} ({interval.n}, {interval.scenes} scenes)"


def _markdown(title: str, group: Sequence[FoundRun]) -> str:
    columns = _columns(group)
    header = ["baseline", *(column.title.replace("\n", " ") for column in columns), "samples", "scenes"]
    lines = [f"**{title}**", "", _markdown_row(header), _markdown_row(["---", *["---:"] * (len(header) - 1)])]
    for run in group:
        spans = [_cell(column, run.summary) for column in columns]
        cells = [f"{mean} ({span})" if span else mean for mean, span in spans]
        lines.append(
            _markdown_row(
                [f"`{run.summary.baseline}`", *cells, _coverage(run.summary), str(_scenes(run.summary) or "-")]
            )
        )
    for name, values in group[0].summary.references.items():
        lines.append(_markdown_row([name, *(_reference_cell(column, values) for column in columns), "", ""]))
    return "\n".join(lines) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
