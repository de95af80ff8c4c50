"""The commands. Nothing heavy is imported before a command needs it, so that --help answers at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli.cache import cache_app
from evalkit.cli.index import index_app
from evalkit.cli.oracle import oracle_app
from evalkit.cli.plugins import mount_commands
from evalkit.cli.weights import weights_app
from evalkit.errors import UserError

app = typer.Typer(
    name="evalkit",
    help="The benchmark suite for self-supervised novel view synthesis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cache_app, name="cache")
app.add_typer(index_app, name="index")
app.add_typer(oracle_app, name="oracle")
app.add_typer(weights_app, name="weights")
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="group=choice or group.key=value; commas run the product."),
]


@app.command()
def run(overrides: Overrides = None) -> None:
    """Score methods: `evalkit run protocol=tps baseline=warp,copy_target dataset=procedural limit=50`."""
    from evalkit.cli.running import run_product

    run_product(overrides or [])


@app.command()
def score(
    renders: Annotated[Path, typer.Argument(help="Folder of renders: <sample>.safetensors or <sample>/*.png.")],
    overrides: Overrides = None,
) -> None:
    """Score renders made earlier, by `save_renders=true` or by anybody's code."""
    from evalkit.cli.running import run_product

    quoted = str(renders).replace("\\", "\\\\").replace("'", "\\'")
    run_product([*(overrides or []), "baseline=saved", f"baseline.dir='{quoted}'"])


@app.command()
def train(overrides: Overrides = None) -> None:
    """Train a baseline: `evalkit train baseline=xfactor dataset=procedural trainer=mini`."""
    from evalkit.cli.training import train as train_model

    train_model(overrides or [])


@app.command()
def transfer(
    out: Annotated[Path, typer.Argument(help="The animation to write, a .gif.")],
    motion: Annotated[str, typer.Option(help="Clip A, whose camera moves: a folder, a video, a sequence's name.")],
    scene: Annotated[str, typer.Option(help="Clip B, in which it is to move.")],
    frames: Annotated[int, typer.Option(help="How many poses of A are rendered.", min=5)] = 15,
    resolution: Annotated[int | None, typer.Option(help="Pixels; the method's own, or 256, without.", min=16)] = None,
    preprocess: Annotated[str, typer.Option(help="How frames become squares; docs/data.md.")] = "pixelsplat",
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="baseline=..., dataset=..., device=...")
    ] = None,
) -> None:
    """Render the camera motion of one clip in the scene of another, with any baseline."""
    from evalkit.cli.transfer import Request, animate

    animate(Request(motion, scene, out, frames, resolution, preprocess), overrides or [])


@app.command()
def show(
    runs: Annotated[Path, typer.Argument(help="A run's folder, or any folder above several.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    against: Annotated[str | None, typer.Option(help="A baseline: print differences to it, sample by sample.")] = None,
    rows: Annotated[Path | None, typer.Option(help="A .csv file: write what the tables are the means of.")] = None,
) -> None:
    """Print the tables of finished runs again, or how far methods differ on the same samples."""
    if rows is not None:
        from evalkit.cli.rows import write_rows

        write_rows(runs, rows)
        return
    if against is not None:
        from evalkit.cli.paired import show_paired

        show_paired(runs, against)
        return
    from evalkit.cli.tables import show_runs

    show_runs(runs, markdown=markdown)


@app.command("list")
def list_(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[protocols|baselines|datasets|oracles|metrics|run]", help="One kind only."),
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print every setting of this one.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Import each in a process of its own.")] = False,
) -> None:
    """List what is installed, ours and plug-ins; with a name, every setting with type, default and meaning."""
    from evalkit.cli.catalogue import print_catalogue

    print_catalogue(what, name, check)


@app.command()
def doctor() -> None:
    """Say what is installed, what is missing, and what to type."""
    from evalkit.cli.doctor import print_report

    print_report()


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """The benchmark suite for self-supervised novel view synthesis."""
    if version:
        from evalkit import __version__

        typer.echo(f"evalkit {__version__}")
        raise typer.Exit


mount_commands(app)


def main() -> None:
    """Entry point: a UserError is one line on stderr and exit code 2."""
    try:
        app()
    except UserError as error:
        sys.stderr.write(f"evalkit: {error}\n")
        sys.exit(2)
