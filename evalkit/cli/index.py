"""`evalkit index`: show a published list, compare two, and check that files are the published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from evalkit.index.difference import Difference
    from evalkit.index.find import LoadedIndex
    from evalkit.index.statistics import Description, Range
    from evalkit.index.verification import Check

index_app = typer.Typer(help="Published evaluation lists: the frames that papers evaluate on.", no_args_is_help=True)
Source = Annotated[str, typer.Argument(metavar="NAME|PATH", help="A name from `evalkit index verify`, or a file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MOST_SHOWN = 3  # values of a histogram


@index_app.command()
def show(source: Source, json: Json = False) -> None:
    """Count what a list holds: scenes, views, spans, patterns, targets that are context frames, overlap."""
    from dataclasses import asdict

    from evalkit.index.find import load
    from evalkit.index.statistics import describe

    loaded = load(source)
    description = describe(loaded.index)
    if json:
        file = {"path": str(loaded.path), "sha256": loaded.sha256, "source": _source(loaded)}
        _print_json({**asdict(description), **file})
    else:
        _print(_facts(loaded, description))


@index_app.command()
def diff(a: Source, b: Source, json: Json = False) -> None:
    """Compare two lists; exit code 0 where they evaluate the same, 1 where not."""
    from dataclasses import asdict

    from evalkit.index.difference import compare
    from evalkit.index.find import load

    difference = compare(load(a).index, load(b).index)
    if json:
        _print_json(asdict(difference))
    else:
        _print(_differences(difference))
    if not difference.equal:
        raise typer.Exit(1)


@index_app.command()
def verify(names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="All without.")] = None) -> None:
    """Check digest and counts of the lists on this machine; exit code 2 if one is wrong, or named and absent."""
    from evalkit.index.find import folders
    from evalkit.index.verification import Status
    from evalkit.index.verification import verify as checks_of

    checks = checks_of(names or ())
    _print(_checks(checks))
    for check in checks:
        if check.problem:
            _line(f"{check.published.name}: {check.problem}")
    if any(check.status is Status.ABSENT for check in checks):
        _line(f"looked in {', '.join(map(str, folders()))}; `evalkit index show NAME` says how to get one")
    refused = {Status.WRONG, Status.ABSENT} if names else {Status.WRONG}
    if any(check.status in refused for check in checks):
        raise typer.Exit(2)


def _facts(loaded: LoadedIndex, description: Description) -> Table:
    table = _table(loaded.index.name)
    table.add_row("file", str(loaded.path))
    table.add_row("sha256", loaded.sha256)
    if loaded.published is not None:
        repository = loaded.published.repository
        table.add_row("source", f"{repository.name}@{repository.commit} {loaded.published.path} ({repository.licence})")
        table.add_row("used by", loaded.published.used_by)
        table.add_row("note", loaded.published.note)
    table.add_row("scenes", f"{description.keys} keys: {description.usable} usable, {description.skipped} skipped")
    table.add_row("context/target views", _most_frequent(description.views))
    table.add_row("context span", _range(description.span))
    table.add_row("rank patterns", _most_frequent(description.patterns))
    if loaded.index.target_every is not None:
        table.add_row("targets", f"every {loaded.index.target_every}th frame of the sequence")
    else:
        for title, line in _about_targets(description).items():
            table.add_row(title, line)
    return table


def _about_targets(description: Description) -> dict[str, str]:
    same = description.duplicates
    lines = {
        "targets": f"{description.targets}, {description.outside} of them outside the context",
        "targets that are context": f"{same.targets} in {same.scenes} entries "
        f"({same.first} the first, {same.last} the last)",
        "target to nearest context": f"{_range(description.nearest)}; at most 5: {description.near}",
    }
    if description.unordered:
        lines["frames out of order"] = f"{description.unordered} entries; the order is kept"
    return {**lines, **_overlap(description)}


def _overlap(description: Description) -> dict[str, str]:
    """Counts by bucket with their intervals, by the rule of the released code and by the stated one."""
    from evalkit.index.slices import THRESHOLDS, Bucket

    if description.overlap is None:
        return {"overlap": "none in the list; code that asks for it calls every scene small"}
    return {
        f"overlap, as {rule}": ", ".join(
            f"{bucket.value} {THRESHOLDS.get(bucket, '')} {counts.get(bucket, 0)}".replace("  ", " ")
            for bucket in Bucket
            if bucket in THRESHOLDS or bucket in counts
        )
        for rule, counts in description.overlap.items()
    }


def _differences(difference: Difference) -> Table:
    a, b = difference.a, difference.b
    table = _table(f"{a} against {b}")
    for title, ids in (
        ("scenes in common", difference.common),
        ("same frames, same roles", difference.same_frames),
        ("same context, other targets", difference.same_context),
        ("same first context frame", difference.same_start),
        ("equal in everything", difference.same_entry),
        (f"only in {a}", difference.only_a),
        (f"  named by {b} without frames", difference.skipped_by_b),
        (f"only in {b}", difference.only_b),
        (f"  named by {a} without frames", difference.skipped_by_a),
    ):
        table.add_row(title, str(len(ids)))
    table.add_row("verdict", "equal" if difference.equal else "different")
    return table


def _checks(checks: list[Check]) -> Table:
    from rich.table import Table

    table = Table("list", "status", "scenes", "with frames", "context/target", "licence", "used by", box=None)
    table.columns[0].no_wrap = True
    for check in checks:
        published = check.published
        counts = (str(published.keys), str(published.usable), published.views)
        table.add_row(published.name, check.status.value, *counts, published.repository.licence, published.used_by)
    return table


def _source(loaded: LoadedIndex) -> dict[str, str] | None:
    published = loaded.published
    if published is None:
        return None
    return {"repository": published.repository.name, "commit": published.repository.commit, "path": published.path,
            "licence": published.repository.licence, "used_by": published.used_by, "note": published.note}  # fmt: skip


def _most_frequent(counts: dict[str, int]) -> str:
    """Format the most frequent values, and the number of others."""
    shown = ", ".join(f"{name}: {count}" for name, count in list(counts.items())[:MOST_SHOWN])
    return shown + (f", and {len(counts) - MOST_SHOWN} more" if len(counts) > MOST_SHOWN else "")


def _range(numbers: Range | None) -> str:
    return "-" if numbers is None else f"{numbers.mean:.2f} frames, {numbers.min} to {numbers.max}"


def _table(title: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=None, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _print(table: Table) -> None:
    from evalkit.console import console

    console().print(table, markup=False, highlight=False)


def _line(text: str) -> None:
    from evalkit.console import console

    console().print(text, markup=False, highlight=False, soft_wrap=True)


def _print_json(tree: dict[str, Any]) -> None:
    import json

    typer.echo(json.dumps(tree, indent=2))
