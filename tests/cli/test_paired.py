"""Paired comparisons of finished runs: columns that count failures, readability that differs, and Holm's correction."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from evalkit.cli.main import app
from evalkit.run.find import find_runs
from evalkit.run.records import INTERVALS, RunSummary, read_record
from evalkit.run.row_numbers import numbers_of

TPS = [
    "protocol=tps",
    "oracle=alignment",
    "dataset.world=orbits",
    "dataset.version=1",
    "protocol.resolution=32",
    "limit=8",
]


def evalkit(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "250"})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    evalkit("run", *TPS, "baseline=copy_target,warp,static", f"out={out}")
    return out


def test_columns_that_count_failures_are_compared_and_unequal_readability_is_marked(made: Path) -> None:
    runs = {run.summary.baseline: run for run in find_runs(made).runs}
    cheat = numbers_of(runs["copy_target"].path, runs["copy_target"].summary)
    failed = int(cheat["oracle_failed"].sum())
    assert failed and cheat["oracle_failed"].mean() == runs["copy_target"].summary.metrics["oracle_failed"].mean
    shown = evalkit("show", str(made), "--against", "warp")
    assert f"{100 * failed / 8:+.1f}" in shown
    line = next(line for line in shown.splitlines() if line.strip().startswith("AUC@20 signed"))
    assert line.split()[-4:] == ["!", "0", "/", str(failed)] and str(8 - failed) in line.split()


def test_p_values_are_corrected_over_methods(made: Path) -> None:
    """Eight pairs without a common scene, all with one sign: 2 / 2^8, twice that with two methods."""
    shown = evalkit("show", str(made), "--against", "warp")
    assert f" {2 * 2 / 2**8:.2g} " in shown


def test_a_run_of_an_earlier_version_gets_new_intervals_and_keeps_its_means(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    shutil.copytree(made, out)
    file = next(path for path in out.rglob("summary.json") if "warp" in path.parts)
    now = read_record(RunSummary, file.read_bytes())
    metrics = {
        key: found.model_copy(update={"low": found.mean, "high": found.mean} if found.low is not None else {})
        for key, found in now.metrics.items()
    }
    file.write_bytes(now.model_copy(update={"metrics": metrics, "intervals": "1"}).sealed().to_json())
    found = {run.summary.baseline: run.summary for run in find_runs(out).runs}["warp"]
    assert now.intervals == INTERVALS and json.loads(file.read_bytes())["intervals"] == "1"
    for key in ("oracle_failed", "exact_psnr", "auc_exact_signed@20|failed=90"):
        assert found.metrics[key] == now.metrics[key] and pd.notna(now.metrics[key].low)
    assert found.metrics["skill"] == metrics["skill"]  # no mean over rows: it keeps its interval, and a note says so
    assert any("skill" in note and "run it again" in note for note in find_runs(out).notes)
