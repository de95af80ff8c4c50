"""`evalkit tps REAL RENDERED`: one pair of clips, every accuracy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.table import Table

from evalkit.cli.console import console
from evalkit.config.compose import compose_runs
from evalkit.data.stored.folder import load_clip
from evalkit.errors import SampleError, UserError
from evalkit.metrics.pose_scores import THRESHOLDS, PoseScores, pose_scores
from evalkit.oracles.oracle import Estimate, Oracle
from evalkit.pixels import Preprocess
from evalkit.run.execute import Session, pick_device
from evalkit.views import Frames


def compare(real: Path, rendered: Path, overrides: Sequence[str], as_json: bool) -> None:
    """Compare two clips and print the result; exit code 1 where the oracle could not read one of them."""
    configs = compose_runs(["protocol=tps", *overrides])
    if len(configs) != 1:
        raise UserError("evalkit tps compares one pair of clips with one oracle: no commas here")
    config = configs[0]
    device = pick_device(config.device)
    preprocess = Preprocess(config.protocol.resolution, config.protocol.preprocess)  # type: ignore[attr-defined]
    try:
        clips = [load_clip(path, preprocess) for path in (real, rendered)]
    except SampleError as error:
        raise UserError(str(error)) from error
    counts = [len(clip.numbers) for clip in clips]
    if counts[0] != counts[1] or counts[0] < 2:
        raise UserError(f"the clips have {counts[0]} and {counts[1]} frames: expected equally many, at least 2")
    oracle = Session().oracle(config.oracle, device)
    estimates = [_ask(oracle, clip) for clip in clips]
    scores = pose_scores(estimates[1].w2c, estimates[0].w2c, min_baseline=0.0)
    failures = {
        name: estimate.reasons[0]
        for name, estimate in zip(("real", "rendered"), estimates, strict=True)
        if estimate.reasons[0]
    }
    report = _json if as_json else _print
    report(scores, failures, oracle.identity())
    if failures:
        raise typer.Exit(1)


def _ask(oracle: Oracle, clip: Frames) -> Estimate:
    return oracle.estimate(clip.images[None], None if clip.cameras is None else clip.cameras[None])


def _json(scores: PoseScores, failures: dict[str, str], oracle: dict[str, Any]) -> None:
    document = {
        "oracle": oracle,
        "oracle_failures": failures,
        "scores": None if failures else scores.every_auc() | scores.row(),
        "errors_deg": None if failures else {key: errors.tolist() for key, errors in scores.arrays().items()},
    }
    typer.echo(json.dumps(document, indent=2))


def _print(scores: PoseScores, failures: dict[str, str], oracle: dict[str, Any]) -> None:
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
