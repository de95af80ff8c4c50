"""`evalkit weights`: list, download and verify the networks of metrics and oracles; convert released weights."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from evalkit.weights.catalogue import Weights

weights_app = typer.Typer(
    help="Networks of metrics and oracles: list, download, verify; convert released weights.", no_args_is_help=True
)
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Default: all.")]


@weights_app.command("list")
def list_() -> None:
    """List the networks: purpose, size, licence, and the path where they lie on this machine (digest not checked)."""
    from rich.table import Table

    from evalkit.weights.catalogue import CATALOGUE
    from evalkit.weights.store import candidate

    table = Table("name", "for", "MB", "licence", "sha256", "path", box=None, pad_edge=False)
    for weights in CATALOGUE.values():
        path = candidate(weights)
        size = f"{weights.bytes / 1e6:.2f}"
        table.add_row(weights.name, weights.purpose, size, weights.licence, weights.sha256[:12], str(path or "-"))
    _print(table)


@weights_app.command()
def pull(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names from `evalkit weights list`.")],
) -> None:
    """Download into the cache. An interrupted download is resumed; a file with a wrong digest is not kept."""
    from evalkit.weights.catalogue import find

    for weights in [find(name) for name in names]:  # refuse a mistyped name before the first download
        _line(f"{weights.name}: {_pull(weights)}")


@weights_app.command()
def verify(names: Names = None) -> None:
    """Check the digests of the networks on this machine. Exit code 2 if one is wrong, or if a named one is absent."""
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
    baseline: Annotated[str, typer.Argument(help="Name of the baseline, such as xfactor.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the checkpoint of its authors.")],
    views: Annotated[
        int, typer.Option(min=1, help="Context views that the checkpoint was trained with; XFactor's have 1 or 5.")
    ],
    out: Annotated[Path | None, typer.Option(help="File to write; default: BASELINE.safetensors.")] = None,
) -> None:
    """Convert a checkpoint, as its authors released it, into a file for `baseline.weights=FILE`."""
    from evalkit.errors import UserError
    from evalkit.registry import Group, implementation, load
    from evalkit.weights.convert import converts_weights

    method, file = implementation(load(Group.BASELINE, baseline)), out or Path(f"{baseline}.safetensors")
    if not converts_weights(method):
        convertible = ", ".join(_convertible())
        raise UserError(f"weights of '{baseline}' cannot be converted; baselines that convert weights: {convertible}")
    method.convert(folder, file, views)
    _line(f"{file}: written; type `evalkit run baseline={baseline} baseline.weights={file}`")


def _convertible() -> list[str]:
    """Names of the installed baselines whose released weights can be converted."""
    from evalkit.errors import UserError
    from evalkit.registry import Group, implementation, load, names
    from evalkit.weights.convert import converts_weights

    convertible = []
    for name in names(Group.BASELINE):
        with suppress(UserError):  # its packages are not installed
            convertible += [name] if converts_weights(implementation(load(Group.BASELINE, name))) else []
    return convertible


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
