"""`evalkit oracle`: how far oracles can be trusted, measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.config.schema import RunConfig
    from evalkit.oracles.calibration.compare import Clip
    from evalkit.oracles.calibration.trust import Trust

oracle_app = typer.Typer(help="Oracles: which cameras do the frames show, and who says so?", no_args_is_help=True)
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="dataset=..., limit=N, out=DIR")]


@oracle_app.command()
def compare(
    names: Annotated[str, typer.Argument(metavar="NAME[,NAME]...", help="Oracles, such as colmap,procedural.")],
    overrides: Overrides = None,
    grades: Annotated[str, typer.Option(help="Kinds of damage, such as 'clean,blur 1.5'; all without.")] = "",
) -> None:
    """Compare oracles with true cameras and with each other, on clips as tps has them, clean and damaged."""
    from rich.progress import Progress

    from evalkit.cli.console import console
    from evalkit.config.compose import compose_runs
    from evalkit.data.degrade import GRADES
    from evalkit.errors import UserError
    from evalkit.oracles.calibration.compare import compare as compared
    from evalkit.oracles.calibration.compare import summary
    from evalkit.oracles.calibration.plots import plot_comparison
    from evalkit.run.execute import Session, pick_device

    session, chosen = Session(), [grade.strip() for grade in grades.split(",")] if grades else list(GRADES)
    configs = compose_runs(["protocol=tps", f"oracle={names}", "baseline=static", *(overrides or [])])
    known = [config.oracle.name for config in configs]
    if len(set(known)) < len(known):
        raise UserError(f"oracle compare {names}: expected different oracles")
    device = pick_device(configs[0].device)
    oracles = {config.oracle.name: session.oracle(config.oracle, device) for config in configs}
    clips = _clips(configs[0], session)
    with Progress(console=console(), transient=True) as progress:
        task = progress.add_task("clips answered", total=len(clips) * len(chosen) * len(oracles))
        rows = compared(oracles, clips, chosen, lambda count: progress.advance(task, count))
    found = summary(rows)
    folder = Path(configs[0].out, "oracles", configs[0].dataset.name, "+".join(oracles))
    folder.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(folder / "rows.parquet", index=False)
    found.to_csv(folder / "summary.csv", index=False)
    plot_comparison(found, folder / "comparison.png")
    _print_comparison(found)
    console().print(f"{folder}", highlight=False)


def _clips(config: RunConfig, session: object) -> list[Clip]:
    """The clips that give the poses in tps, with their true cameras."""
    from evalkit.data.dataset import KnownWorld
    from evalkit.errors import UserError
    from evalkit.oracles.calibration.compare import Clip
    from evalkit.oracles.oracle import ClipLocation
    from evalkit.registry import Group, load
    from evalkit.run.execute import Session, pick_device

    assert isinstance(session, Session)
    device = pick_device(config.device)
    data, oracle = session.dataset(config.dataset, device), session.oracle(config.oracle, device)
    protocol = load(Group.PROTOCOL, "tps")(config.protocol, data, oracle, config.seed)
    clips = []
    for sample in protocol.samples()[: config.limit]:
        if sample.problem:
            raise UserError(f"oracle compare: {sample.id}: {sample.problem}")
        clip = sample.clips[0]
        frames = data.frames(clip.sequence, clip.numbers, protocol.preprocess)
        targets, context = frames.take(clip.target_positions), frames.take(clip.context_positions)
        if targets.cameras is None or context.cameras is None:
            raise UserError(f"oracle compare: dataset={config.dataset.name} has no cameras to compare with")
        place = ClipLocation(data, clip.sequence, context.cameras.w2c) if isinstance(data, KnownWorld) else None
        clips.append(Clip(sample.id, sample.scenes[0], targets.images, targets.cameras.w2c, place))
    return clips


def _print_comparison(found: pd.DataFrame) -> None:
    from rich import box
    from rich.table import Table

    from evalkit.cli.console import console

    table = Table(
        title="percent, failures as 90° off; 95 % intervals by scene", box=box.SIMPLE_HEAD, title_justify="left"
    )
    for name in ("oracle", "against", "grade", "AUC@20", "RRA@10", "RTA@20", "failed", "clips"):
        table.add_column(name, justify="left" if name in ("oracle", "against", "grade") else "right")
    for line in found.to_dict("records"):
        auc = f"{100 * line['auc_exact_signed@20']:.1f}"
        if line["auc_exact_signed@20_low"] == line["auc_exact_signed@20_low"]:
            auc += f" ({100 * line['auc_exact_signed@20_low']:.0f}–{100 * line['auc_exact_signed@20_high']:.0f})"
        others = [f"{100 * line[key]:.1f}" for key in ("rra@10", "rta_signed@20", "failed")]
        table.add_row(line["of"], line["against"], line["grade"], auc, *others, str(line["clips"]))
    console().print(table)


@oracle_app.command()
def trust(
    runs: Annotated[Path, typer.Argument(help="A folder above finished runs of tps on procedural worlds.")],
) -> None:
    """Compare TPS by an oracle with the exact transfer error over all methods: rank correlations and a plot."""
    import json

    import pandas as pd

    from evalkit.cli.console import console
    from evalkit.errors import UserError
    from evalkit.oracles.calibration.plots import plot_trust
    from evalkit.oracles.calibration.trust import points
    from evalkit.oracles.calibration.trust import trust as measured

    tables: dict[str, list[pd.DataFrame]] = {}
    for path in sorted(runs.rglob("rows.parquet")):
        if not (path.parent / "manifest.json").is_file():
            continue
        manifest = json.loads((path.parent / "manifest.json").read_text(encoding="utf-8"))
        if manifest["config"]["protocol"]["name"] == "tps":
            oracle = manifest["config"]["oracle"]["name"]
            rows = pd.read_parquet(path).assign(baseline=manifest["config"]["baseline"]["name"])
            tables.setdefault(oracle, []).append(rows)
    if not tables:
        raise UserError(f"no finished run of tps under {runs}: type `evalkit run protocol=tps limit=12 out={runs}`")
    for oracle, parts in tables.items():
        found = points(pd.concat(parts))
        picture = runs / f"trust-{oracle}.png"
        plot_trust(found, f"{oracle}: {found['sample'].nunique()} pairs", picture)
        for which, some in (("all renders", found), ("those that show B", found[found["shows_b"]])):
            _print_trust(f"{oracle}, {which}", measured(some))
        console().print(f"{picture}", highlight=False)


def _print_trust(name: str, found: Trust) -> None:
    from evalkit.cli.console import console

    console().print(
        f"{name}: rank correlation of TPS with exact transfer PSNR {found.of_pairs:.2f} over pairs and methods, "
        f"{found.within:.2f} across methods within a pair, {found.of_methods:.2f} of the means of {found.methods} "
        f"methods ({found.pairs} pairs)",
        highlight=False,
        soft_wrap=True,
    )
