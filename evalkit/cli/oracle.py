"""`evalkit oracle`: measure how far oracles can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.config.run import RunConfig
    from evalkit.oracles.calibration.compare import CalibrationClip
    from evalkit.oracles.calibration.hook import TrustColumns
    from evalkit.run.session import Session

oracle_app = typer.Typer(help="Measure how far oracles can be trusted.", no_args_is_help=True)
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="dataset=..., limit=N, out=DIR")]
ProtocolName = Annotated[
    str | None, typer.Option("--protocol", help="A protocol that uses an oracle; the first that can do this without.")
]


@oracle_app.command()
def compare(
    names: Annotated[str, typer.Argument(metavar="NAME[,NAME]...", help="Oracles, such as colmap,procedural.")],
    overrides: Overrides = None,
    grades: Annotated[str, typer.Option(help="Kinds of damage, such as 'clean,blur 1.5'; all without.")] = "",
    protocol: ProtocolName = None,
) -> None:
    """Compare oracles with true cameras and with each other, on the clips of a protocol, clean and damaged."""
    from evalkit.config.compose import compose_runs
    from evalkit.console import console
    from evalkit.data.degrade import GRADES
    from evalkit.device import resolve_device
    from evalkit.errors import UserError
    from evalkit.oracles.calibration.compare import summary
    from evalkit.oracles.calibration.hook import calibration_of
    from evalkit.run.session import Session

    chosen = [grade.strip() for grade in grades.split(",")] if grades else list(GRADES)
    name = _protocol(protocol)
    configs = compose_runs([f"protocol={name}", f"oracle={names}", *(overrides or [])])
    known = [config.oracle.name for config in configs]
    if len(set(known)) < len(known):
        raise UserError(f"oracle compare {names}: expected different oracles")
    accuracies = calibration_of(name).accuracies(configs[0].protocol)
    rows = _compare(configs, chosen, Session(), resolve_device(configs[0].device).name)
    table = summary(rows, accuracies.titles)
    folder = Path(configs[0].out, "oracles", configs[0].dataset.name, "+".join(known))
    _write_comparison(folder, rows, table, accuracies.titles)
    _print_comparison(table, accuracies.titles)
    console().print(f"{folder}", highlight=False)


def _protocol(name: str | None) -> str:
    """The protocol to use: ``name``, or the first installed one that can calibrate oracles."""
    from evalkit.errors import UserError
    from evalkit.oracles.calibration.hook import calibrated_protocols

    if name is not None:
        return name
    able = calibrated_protocols()
    if not able:
        raise UserError("no installed protocol can calibrate oracles")
    return able[0]


def _compare(configs: list[RunConfig], grades: list[str], session: Session, device: str) -> pd.DataFrame:
    """Compare the oracles of several configurations that differ in nothing else, with a progress bar."""
    from evalkit.cli.progress import Progress
    from evalkit.oracles.calibration.compare import compare as compare_oracles
    from evalkit.oracles.calibration.hook import calibration_of

    oracles = {config.oracle.name: session.oracle(config.oracle, device) for config in configs}
    clips = _clips(configs[0], session, device)
    accuracies = calibration_of(configs[0].protocol.name).accuracies(configs[0].protocol)
    with Progress() as progress:
        task = progress.task("estimating cameras", len(clips) * len(grades) * len(oracles), "clips")
        return compare_oracles(oracles, clips, grades, accuracies, task.advance)


def _clips(config: RunConfig, session: Session, device: str) -> list[CalibrationClip]:
    """The clips that a protocol asks its oracle about, with their true cameras."""
    from evalkit.data.dataset import KnownWorld
    from evalkit.errors import UserError
    from evalkit.oracles.calibration.compare import CalibrationClip
    from evalkit.oracles.calibration.hook import calibration_of
    from evalkit.oracles.oracle import ClipLocation

    data, planner = session.dataset(config.dataset, device), session.planner(config, device)
    calibration = calibration_of(config.protocol.name)
    clips = []
    for sample in planner.samples()[: config.limit]:
        if sample.problem:
            raise UserError(f"oracle compare: {sample.id}: {sample.problem}")
        clip = calibration.clip(sample)
        frames = data.frames(clip.sequence, clip.numbers, planner.preprocess)
        targets, context = frames.take(clip.target_positions), frames.take(clip.context_positions)
        if targets.cameras is None or context.cameras is None:
            raise UserError(f"oracle compare: dataset={config.dataset.name} has no cameras to compare with")
        location = None
        if isinstance(data, KnownWorld):
            location = ClipLocation(data, clip.sequence, context.cameras.w2c)
        clips.append(CalibrationClip(sample.id, sample.scenes[0], targets.images, targets.cameras.w2c, location))
    return clips


def _write_comparison(folder: Path, rows: pd.DataFrame, table: pd.DataFrame, titles: Mapping[str, str]) -> None:
    """Write rows, summary and plot."""
    from evalkit.oracles.calibration.plots import plot_comparison

    folder.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(folder / "rows.parquet", index=False)
    table.to_csv(folder / "summary.csv", index=False)
    key, title = next(iter(titles.items()))
    plot_comparison(table, key, title, folder / "comparison.png")


def _print_comparison(comparison: pd.DataFrame, titles: Mapping[str, str]) -> None:
    from rich import box
    from rich.table import Table

    from evalkit.console import console

    table = Table(
        title="percent, failures as 90° off; 95 % intervals by scene", box=box.SIMPLE_HEAD, title_justify="left"
    )
    for name in ("oracle", "against", "grade"):
        table.add_column(name)
    for name in (*titles.values(), "failed", "clips"):
        table.add_column(name, justify="right")
    main, *others = titles
    for line in comparison.to_dict("records"):
        low, high = line[f"{main}_low"], line[f"{main}_high"]
        interval = "" if low != low else f" ({100 * low:.0f}–{100 * high:.0f})"
        numbers = [f"{100 * line[key]:.1f}" for key in (*others, "failed")]
        head = (line["of"], line["against"], line["grade"])
        table.add_row(*head, f"{100 * line[main]:.1f}{interval}", *numbers, str(line["clips"]))
    console().print(table)


@oracle_app.command()
def trust(
    runs: Annotated[Path, typer.Argument(help="A folder above finished runs on procedural worlds.")],
    protocol: ProtocolName = None,
) -> None:
    """Compare scores by an oracle with the truth over all methods: rank correlations and a plot."""
    from evalkit.console import console
    from evalkit.oracles.calibration.hook import calibration_of
    from evalkit.oracles.calibration.plots import plot_trust
    from evalkit.oracles.calibration.trust import points

    name = _protocol(protocol)
    columns = calibration_of(name).trust
    for oracle, rows in _rows_by_oracle(runs, name).items():
        selected = points(rows, columns)
        picture = runs / f"trust-{oracle}.png"
        plot_trust(selected, columns, f"{oracle}: {selected['sample'].nunique()} samples", picture)
        _print_trust(f"{oracle}, all renders", selected, columns)
        _print_trust(f"{oracle}, renders of the right scene", selected[selected["right_scene"]], columns)
        console().print(f"{picture}", highlight=False)


def _rows_by_oracle(folder: Path, protocol: str) -> dict[str, pd.DataFrame]:
    """The rows of all finished runs of a protocol below a folder, with a column ``baseline``, by the oracle's name."""
    import pandas as pd

    from evalkit.console import console
    from evalkit.errors import UserError
    from evalkit.run.find import find_runs

    finished = find_runs(folder)
    for note in finished.notes:
        console().print(f"note: {note}", highlight=False, soft_wrap=True)
    tables: dict[str, list[pd.DataFrame]] = {}
    for run in finished.runs:
        conditions = run.summary.conditions
        if conditions.protocol.partition("@")[0] == protocol and conditions.oracle and not run.outdated:
            rows = pd.read_parquet(run.path / "rows.parquet").assign(baseline=run.summary.baseline)
            tables.setdefault(str(conditions.oracle["name"]), []).append(rows)
    if not tables:
        command = f"evalkit run protocol={protocol} limit=12 out={folder}"
        raise UserError(f"no finished run of {protocol} under {folder}: type `{command}`")
    return {oracle: pd.concat(parts) for oracle, parts in tables.items()}


def _print_trust(what: str, selected: pd.DataFrame, columns: TrustColumns) -> None:
    from evalkit.console import console
    from evalkit.oracles.calibration.trust import trust as measured

    numbers = measured(selected)
    console().print(
        f"{what}: rank correlation of {columns.accuracy_name} with {columns.truth_name} {numbers.of_samples:.2f} over "
        f"samples and methods, {numbers.within:.2f} across methods within a sample, {numbers.of_methods:.2f} of the "
        f"means of {numbers.methods} methods ({numbers.samples} samples)",
        highlight=False,
        soft_wrap=True,
    )
