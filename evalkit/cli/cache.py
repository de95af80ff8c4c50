"""`evalkit cache`: what is kept between runs, and how to trim it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

cache_app = typer.Typer(help="What is kept between runs: oracle answers, weights, frames.", no_args_is_help=True)
KINDS = {
    "oracles": "answers of oracles, by the content of clips",
    "weights": "networks that metrics and oracles need",
    "frames": "frames of trainings, rendered or read once",
}


@cache_app.command("list")
def list_() -> None:
    """Say how many files of each kind are kept, how large they are, and where."""
    from rich.table import Table

    from evalkit.cache import cache_folder
    from evalkit.console import console

    table = Table("kind", "files", "MB", "what", "folder", box=None, pad_edge=False)
    for kind, purpose in KINDS.items():
        files = _files(cache_folder() / kind)
        size = sum(file.stat().st_size for file in files)
        table.add_row(kind, str(len(files)), f"{size / 1e6:.1f}", purpose, str(cache_folder() / kind))
    console().print(table)


@cache_app.command()
def prune(
    kinds: Annotated[list[str], typer.Argument(metavar="KIND...", help=f"Of {', '.join(KINDS)}.")],
    older_than: Annotated[float, typer.Option(help="Keep what was written in the last DAYS.", min=0)] = 0.0,
) -> None:
    """Delete kept files of these kinds; what is needed again is made or downloaded again."""
    from evalkit.cache import cache_folder
    from evalkit.errors import UserError, did_you_mean

    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"evalkit cache prune: no kind '{kind}'{did_you_mean(kind, KINDS)}")
    limit = time.time() - older_than * 86_400
    for kind in kinds:
        old = [file for file in _files(cache_folder() / kind) if file.stat().st_mtime <= limit]
        size = sum(file.stat().st_size for file in old)
        for file in old:
            file.unlink(missing_ok=True)
        typer.echo(f"{kind}: {len(old)} files deleted, {size / 1e6:.1f} MB")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
