"""The command `evalkit tps REAL RENDERED`: all accuracies of one pair of clips."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from evalkit.config.compose import compose_runs
from evalkit.config.run import RunConfig
from evalkit.console import console
from evalkit.data.stored.folder import load_clip
from evalkit.device import resolve_device
from evalkit.errors import SampleError, UserError
from evalkit.metrics.pose_scores import THRESHOLDS, PoseScores, pose_scores
from evalkit.oracles.cache import cached
from evalkit.oracles.oracle import Estimate, Identity, Oracle
from evalkit.pixels import Preprocess
from evalkit.registry import Group, implementation, load
from evalkit.views import Frames
from protocols.tps.options import TpsOptions


def tps(
    real: Annotated[Path, typer.Argument(help="Frames of the real clip: a folder or a video.")],
    rendered: Annotated[Path, typer.Argument(help="Frames rendered at the poses of the real clip.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="oracle=NAME, oracle.KEY=..., protocol.resolution=N, device=..."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the error of each pair of frames.")] = False,
) -> None:
    """True Pose Similarity of two clips: does an oracle see the same camera motion in both?"""
    config = _config(overrides or [])
    clips = _read_clips([real, rendered], config)
    oracle = _oracle(config)
    on_real, on_rendered = (_estimate(oracle, clip) for clip in clips)
    scores = pose_scores(on_rendered.w2c, on_real.w2c, min_baseline=0.0)
    reasons = {"real": on_real.reasons[0], "rendered": on_rendered.reasons[0]}
    failures = {name: reason for name, reason in reasons.items() if reason}
    report = _print_json if as_json else _print_table
    report(scores, failures, oracle.identity())
    if failures:
        raise typer.Exit(1)


def _config(overrides: Sequence[str]) -> RunConfig:
    configs = compose_runs(["protocol=tps", *overrides])
    if len(configs) != 1:
        raise UserError("evalkit tps compares one pair of clips with one oracle: no commas here")
    return configs[0]


def _read_clips(paths: Sequence[Path], config: RunConfig) -> list[Frames]:
    options = config.protocol
    assert isinstance(options, TpsOptions)
    try:
        clips = [load_clip(path, Preprocess(options.resolution, options.preprocess)) for path in paths]
    except SampleError as error:
        raise UserError(str(error)) from error
    counts = [len(clip.numbers) for clip in clips]
    if counts[0] != counts[1] or counts[0] < 2:
        raise UserError(f"the clips have {counts[0]} and {counts[1]} frames: expected equally many, at least 2")
    return clips


def _oracle(config: RunConfig) -> Oracle:
    oracle_class = implementation(load(Group.ORACLE, config.oracle.name))
    return cached(oracle_class(config.oracle, resolve_device(config.device).name))


def _estimate(oracle: Oracle, clip: Frames) -> Estimate:
    return oracle.estimate(clip.images[None], None if clip.cameras is None else clip.cameras[None])


def _print_json(scores: PoseScores, failures: dict[str, str], oracle: Identity) -> None:
    document = {
        "oracle": oracle,
        "oracle_failures": failures,
        "scores": None if failures else scores.every_auc() | scores.row(),
        "errors_deg": None if failures else {key: errors.tolist() for key, errors in scores.arrays().items()},
    }
    typer.echo(json.dumps(document, indent=2))


def _print_table(scores: PoseScores, failures: dict[str, str], oracle: Identity) -> None:
    for name, reason in failures.items():
        console().print(f"oracle {oracle['name']} failed on the {name} clip: {reason}", highlight=False)
    if failures:
        return
    row = scores.every_auc() | scores.row()
    table = Table(title=f"True Pose Similarity by {oracle['name']}, percent", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("accuracy")
    for threshold in THRESHOLDS:
        table.add_column(f"@{threshold}°", justify="right")
    for key in dict.fromkeys(name.split("@")[0] for name in row if "@" in name):
        table.add_row(key, *(f"{100 * row[f'{key}@{threshold}']:.2f}" for threshold in THRESHOLDS))
    console().print(table)
    console().print(
        f"median error: rotation {scores.rotation.median():.2f}°, translation {scores.signed.median():.2f}° "
        f"over {scores.rotation.numel()} pairs of frames; agreement of lengths {100 * row['magnitude']:.1f} %"
    )
