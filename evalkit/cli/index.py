"""`evalkit index`: what a published list holds, how two differ, and whether those here are the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from evalkit.index.difference import Difference
    from evalkit.index.find import Found
    from evalkit.index.statistics import Description, Range
    from evalkit.index.verification import Check

index_app = typer.Typer(help="Published evaluation lists: which frames does a number stand for?", no_args_is_help=True)
Source = Annotated[str, typer.Argument(metavar="NAME|PATH", help="A name from `evalkit index verify`, or a file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MOST = 3


@index_app.command()
def show(source: Source, json: Json = False) -> None:
    """Count what a list holds: scenes, views, spans, patterns, targets that are given away, overlap."""
    from dataclasses import asdict

    from evalkit.index.find import load
    from evalkit.index.statistics import describe

    found = load(source)
    description = describe(found.index)
    if json:
        _print_json({**asdict(description), "path": str(found.path), "sha256": found.sha256, "source": _source(found)})
    else:
        _print(_facts(found, description))


@index_app.command()
def diff(a: Source, b: Source, json: Json = False) -> None:
    """Say how two lists differ; exit code 0 where they evaluate the same, 1 where not."""
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
    """Check digest and counts of the lists that are here; exit code 2 if one is wrong, or named and absent."""
    from evalkit.index.find import folders
    from evalkit.index.verification import Status
    from evalkit.index.verification import verify as checks_of

    checks = checks_of(names or ())
    _print(_checks(checks))
    for check in checks:
        if check.problem:
            _line(f"{check.listed.name}: {check.problem}")
    if any(check.status is Status.ABSENT for check in checks):
        _line(f"looked in {', '.join(map(str, folders()))}; `evalkit index show NAME` says how to get one")
    refused = {Status.WRONG, Status.ABSENT} if names else {Status.WRONG}
    if any(check.status in refused for check in checks):
        raise typer.Exit(2)


def _facts(found: Found, description: Description) -> Table:
    table = _table(found.index.name)
    table.add_row("file", str(found.path))
    table.add_row("sha256", found.sha256)
    if found.listed is not None:
        repository = found.listed.repository
        table.add_row("source", f"{repository.name}@{repository.commit} {found.listed.path} ({repository.licence})")
        table.add_row("used by", found.listed.used_by)
        table.add_row("note", found.listed.note)
    table.add_row("scenes", f"{description.keys} keys: {description.usable} usable, {description.skipped} skipped")
    table.add_row("context/target views", _most(description.views))
    table.add_row("context span", _range(description.span))
    table.add_row("rank patterns", _most(description.patterns))
    if found.index.target_every is not None:
        table.add_row("targets", f"every {found.index.target_every}th frame of the sequence")
    else:
        for title, line in _about_targets(description).items():
            table.add_row(title, line)
    return table


def _about_targets(description: Description) -> dict[str, str]:
    same = description.duplicates
    lines = {
        "targets": f"{description.targets}, {description.outside} of them outside the context",
        "targets = context": f"{same.targets} in {same.scenes} entries ({same.first} the first, {same.last} the last)",
        "to the nearest context": f"{_range(description.nearest)}; at most 5: {description.near}",
    }
    if description.unordered:
        lines["out of order"] = f"{description.unordered} entries; the order is kept"
    return {**lines, **_overlap(description)}


def _overlap(description: Description) -> dict[str, str]:
    """Counts by bucket with their intervals, under the released code's rule and the stated one."""
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
        ("same to the last detail", difference.same_entry),
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

    table = Table("list", "status", "keys", "usable", "views", "licence", "used by", box=None)
    table.columns[0].no_wrap = True
    for check in checks:
        listed = check.listed
        counts = (str(listed.keys), str(listed.usable), listed.views)
        table.add_row(listed.name, check.status.value, *counts, listed.repository.licence, listed.used_by)
    return table


def _source(found: Found) -> dict[str, str] | None:
    listed = found.listed
    if listed is None:
        return None
    return {"repository": listed.repository.name, "commit": listed.repository.commit, "path": listed.path,
            "licence": listed.repository.licence, "used_by": listed.used_by, "note": listed.note}  # fmt: skip


def _most(counts: dict[str, int]) -> str:
    """Write the most frequent ones, and how many others there are."""
    shown = ", ".join(f"{name}: {count}" for name, count in list(counts.items())[:MOST])
    return shown + (f", and {len(counts) - MOST} more" if len(counts) > MOST else "")


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
    from evalkit.cli.console import console

    console().print(table, markup=False, highlight=False)


def _line(text: str) -> None:
    from evalkit.cli.console import console

    console().print(text, markup=False, highlight=False, soft_wrap=True)


def _print_json(tree: dict[str, Any]) -> None:
    import json

    typer.echo(json.dumps(tree, indent=2))
