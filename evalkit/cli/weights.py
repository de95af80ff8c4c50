"""`evalkit weights`: which networks metrics and oracles need, which are here, how to get the others, how to convert."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from evalkit.weights.catalogue import Weights

weights_app = typer.Typer(help="Networks that metrics need: list, download, verify.", no_args_is_help=True)
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="All without.")]


@weights_app.command("list")
def list_() -> None:
    """Say what each network is for, its size and licence, and whether it is here (unchecked)."""
    from rich.table import Table

    from evalkit.weights.catalogue import CATALOGUE
    from evalkit.weights.store import candidate

    table = Table("name", "for", "MB", "licence", "sha256", "here", box=None, pad_edge=False)
    for weights in CATALOGUE.values():
        path = candidate(weights)
        size = f"{weights.bytes / 1e6:.2f}"
        table.add_row(weights.name, weights.purpose, size, weights.licence, weights.sha256[:12], str(path or "-"))
    _print(table)


@weights_app.command()
def pull(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names from `evalkit weights list`.")],
) -> None:
    """Download into the cache; an interrupted download goes on, and nothing unverified is kept."""
    from evalkit.weights.catalogue import find

    for weights in [find(name) for name in names]:  # a mistyped name is found before the first download
        _line(f"{weights.name}: {_pull(weights)}")


@weights_app.command()
def verify(names: Names = None) -> None:
    """Check the digests of the networks that are here; exit code 2 if one is wrong, or named and absent."""
    from evalkit.weights.catalogue import CATALOGUE, find
    from evalkit.weights.store import candidate, flaw, folders

    checked = [find(name) for name in names] if names else list(CATALOGUE.values())
    wrong = absent = False
    for weights in checked:
        path = candidate(weights)
        problem = flaw(path, weights.digests()[path.name]) if path else None
        wrong, absent = wrong or problem is not None, absent or path is None
        _line(f"{weights.name}: {_verdict(weights.name, path, problem)}")
    if absent:
        _line(f"looked in {', '.join(map(str, folders()))}")
    if wrong or (names and absent):
        raise typer.Exit(2)


@weights_app.command()
def convert(
    baseline: Annotated[str, typer.Argument(help="Whose weights, such as xfactor.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where its authors' checkpoint lies.")],
    views: Annotated[int, typer.Option(min=1, help="Context views it was trained with; XFactor's have 1 or 5.")],
    out: Annotated[Path | None, typer.Option(help="File to write; BASELINE.safetensors without.")] = None,
) -> None:
    """Turn a checkpoint as its authors released it into a file that `baseline.weights=FILE` takes."""
    from evalkit.errors import UserError
    from evalkit.registry import Group, load

    method, file = load(Group.BASELINE, baseline), out or Path(f"{baseline}.safetensors")
    if not hasattr(method, "convert"):
        raise UserError(f"weights of '{baseline}' are not converted; those of these are: {', '.join(_convertible())}")
    method.convert(folder, file, views)
    _line(f"{file}: written; type `evalkit run baseline={baseline} baseline.weights={file}`")


def _convertible() -> list[str]:
    from evalkit.errors import UserError
    from evalkit.registry import Group, load, names

    able = []
    for name in names(Group.BASELINE):
        with suppress(UserError):  # one whose packages are not installed
            able += [name] if hasattr(load(Group.BASELINE, name), "convert") else []
    return able


def _verdict(name: str, path: Path | None, problem: str | None) -> str:
    if path is None:
        return f"absent; type `evalkit weights pull {name}`"
    return f"{path} {problem}; remove it" if problem else f"ok, {path}"


def _pull(weights: Weights) -> Path:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from evalkit.console import console
    from evalkit.weights.download import pull as download
    from evalkit.weights.store import download_folder

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(), transient=True) as bars:
        task = bars.add_task(weights.name, total=weights.bytes)
        return download(weights, download_folder(), lambda received: bars.update(task, completed=received))


def _print(table: object) -> None:
    from evalkit.console import console

    console().print(table)


def _line(text: str) -> None:
    from evalkit.console import console

    console().print(text, markup=False, highlight=False, soft_wrap=True)
