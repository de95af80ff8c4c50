"""Tables of runs: one a protocol with its settings, dataset, target-pose source and oracle."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from evalkit.cli.console import console
from evalkit.errors import UserError

Run = tuple[str, dict[str, Any]]


def show_runs(folder: Path, markdown: bool) -> None:
    """Print all finished runs under a folder."""
    runs = finished_runs(folder)
    if markdown:
        for title, group in grouped(runs):
            console().print(_markdown(title, group), soft_wrap=True, markup=False, highlight=False)
    else:
        print_tables(runs)


def finished_runs(folder: Path) -> list[Run]:
    """Folders and summaries of all finished runs under a folder. Raises UserError where there is none."""
    runs = [
        (str(path.parent), json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(folder.rglob("summary.json"))
    ]
    if not runs:
        raise UserError(f"no finished run under {folder}: expected a folder with a summary.json")
    return runs


def print_tables(runs: Sequence[Run]) -> None:
    """Print runs with intervals, coverage, failures by reason, and where they lie."""
    for title, group in grouped(runs):
        console().print(_table(title, group))
        if any(summary["slices"] for _, summary in group):
            console().print(_slices(group))
        shared = [note for note in group[0][1]["notes"] if all(note in summary["notes"] for _, summary in group)]
        for line in [*_missing(group), *shared]:
            console().print(line, markup=False, highlight=False, soft_wrap=True)
        for path, summary in group:
            console().print(Text(str(summary["baseline"]), "bold") + Text(f" {path}"), soft_wrap=True)
            for line in (line for line in _remarks(summary) if line not in shared):
                console().print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def grouped(runs: Iterable[Run]) -> list[tuple[str, list[Run]]]:
    """Runs that share a table, by its title, which names settings of a protocol that tell tables apart."""
    alike: dict[str, list[Run]] = {}
    for path, summary in runs:
        title = f"{summary['protocol']} · {summary['dataset']} · target poses: {summary['target_pose']}"
        title += f" · oracle: {summary['oracle']}" if summary["oracle"] else ""
        alike.setdefault(title, []).append((path, summary))
    groups: dict[str, list[Run]] = {}
    for title, group in alike.items():
        settings = [_settings(path) for path, _ in group]
        differing = sorted({name for each in settings for name in each if each[name] != settings[0].get(name)})
        for run, each in zip(group, settings, strict=True):
            named = "".join(f" · {name}={each.get(name)}" for name in differing)
            groups.setdefault(title + named, []).append(run)
    return list(groups.items())


def _settings(path: str) -> dict[str, Any]:
    """The settings of a run's protocol."""
    manifest = json.loads(Path(path, "manifest.json").read_text(encoding="utf-8"))
    return dict(manifest["inputs"]["protocol"])


def _remarks(summary: dict[str, Any]) -> list[str]:
    """Everything that did not go well, and what a reader must know."""
    lines = [f"{count} failed: {reason}" for reason, count in summary["failures"].items()]
    lines += [f"{what}: {count}" for what, count in summary["counts"].items() if count]
    return lines + list(summary["notes"])


def _coverage(summary: dict[str, Any]) -> str:
    return f"{summary['coverage']['scored']}/{summary['coverage']['planned']}"


def _cell(column: dict[str, Any], summary: dict[str, Any]) -> tuple[str, str]:
    """The mean, and its 95 % interval with a digit less, where one can be estimated."""
    interval = summary["metrics"].get(column["key"])
    if interval is None or interval["mean"] is None:
        return "-", ""
    mean = f"{interval['mean'] * column['scale']:.{column['digits']}f}"
    if interval["low"] is None or interval["high"] is None:
        return mean, ""
    low, high = (f"{interval[end] * column['scale']:.{max(column['digits'] - 1, 0)}f}" for end in ("low", "high"))
    return mean, f"{low}–{high}"


def _columns(group: Sequence[Run]) -> list[dict[str, Any]]:
    """The protocol's columns that hold a number in at least one run, and those that would if weights were here."""

    def has_something_to_say(column: dict[str, Any]) -> bool:
        return any(_cell(column, s)[0] != "-" or column["key"] in s["missing"] for _, s in group)

    return [column for column in group[0][1]["columns"] if has_something_to_say(column)]


def _missing(group: Sequence[Run]) -> list[str]:
    """One line for each column that could not be computed for want of weights."""
    lacking = {key: names for _, summary in group for key, names in summary["missing"].items()}
    titles = {column["key"]: column["title"].replace("\n", " ") for column in group[0][1]["columns"]}
    return [
        f"{titles[key]}: - (weights not here; type `evalkit weights pull {' '.join(names)}`)"
        for key, names in lacking.items()
    ]


def _reference_cell(column: dict[str, Any], values: dict[str, float]) -> str:
    value = values.get(column["key"])
    return "" if value is None else f"{value * column['scale']:.{column['digits']}f}"


def _table(title: str, group: Sequence[Run]) -> Table:
    columns = _columns(group)
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", caption="95 % intervals, clustered by scene")
    table.add_column("baseline", no_wrap=True)
    for column in columns:
        table.add_column(column["title"], justify="right")
    table.add_column("samples", justify="right")
    for _, summary in group:
        cells = ["\n".join(_cell(column, summary)).rstrip() for column in columns]
        table.add_row(summary["baseline"], *cells, _coverage(summary))
    for name, values in group[0][1]["references"].items():
        table.add_row(name, *(_reference_cell(column, values) for column in columns), "", style="dim")
    return table


def _slices(group: Sequence[Run]) -> Table:
    """The first column's number over parts of the samples."""
    column = group[0][1]["columns"][0]
    names = list(dict.fromkeys(name for _, summary in group for name in summary["slices"]))
    title = f"{column['title'].replace(chr(10), ' ')} by part (number of samples)"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("baseline", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right")
    for _, summary in group:
        table.add_row(summary["baseline"], *(_part(column, summary["slices"].get(name)) for name in names))
    return table


def _part(column: dict[str, Any], interval: dict[str, Any] | None) -> str:
    if interval is None or interval["mean"] is None:
        return "-"
    return f"{interval['mean'] * column['scale']:.{column['digits']}f} ({interval['n']})"


def _markdown(title: str, group: Sequence[Run]) -> str:
    columns = _columns(group)
    header = ["baseline", *(column["title"].replace("\n", " ") for column in columns), "samples"]
    lines = [f"**{title}**", "", _markdown_row(header), _markdown_row(["---", *["---:"] * (len(header) - 1)])]
    for _, summary in group:
        cells = [" ".join(f"{mean} ({span})" if span else mean for mean, span in [_cell(c, summary)]) for c in columns]
        lines.append(_markdown_row([f"`{summary['baseline']}`", *cells, _coverage(summary)]))
    for name, values in group[0][1]["references"].items():
        lines.append(_markdown_row([name, *(_reference_cell(column, values) for column in columns), ""]))
    return "\n".join(lines) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
