"""However the work is cut, interrupted or ordered, the rows are the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evalkit.config.compose import compose_run
from evalkit.config.run import config_of
from evalkit.errors import UserError
from evalkit.run.engine import Task
from evalkit.run.execute import execute
from evalkit.run.local import LocalEngine
from evalkit.run.prepare import Job, prepare
from evalkit.run.session import Session
from evalkit.run.store import RunFolder

SMALL = ["protocol=nvs", "protocol.resolution=64", "limit=10", "batch=2", "baseline=warp"]


@pytest.fixture(scope="module")
def session() -> Session:
    return Session()


def finished(overrides: list[str], session: Session) -> Job:
    job = prepare(compose_run(overrides), session)
    execute([job], session, nobody)
    return job


def nobody(index: int, count: int) -> None:
    """Nobody is told of progress."""


def parquet(job: Job) -> bytes:
    return (job.folder.path / "rows.parquet").read_bytes()


def summary(job: Job) -> dict[str, Any]:
    """All of summary.json but the time it took."""
    document: dict[str, Any] = json.loads((job.folder.path / "summary.json").read_text())
    assert document["metrics"].pop("seconds")["n"] > 0
    assert document.pop("sha256")
    return document


def test_four_shards_in_any_order_equal_one(tmp_path: Path, session: Session) -> None:
    whole = finished([*SMALL, f"out={tmp_path}/whole"], session)
    for index in (2, 0, 3, 1):
        part = finished([*SMALL, f"out={tmp_path}/parts", f"shard={index}/4"], session)
    assert parquet(part) == parquet(whole)
    assert summary(part) == summary(whole)


def test_shards_leave_no_summary_before_the_last(tmp_path: Path, session: Session) -> None:
    job = prepare(compose_run([*SMALL, f"out={tmp_path}", "shard=0/2"]), session)
    assert execute([job], session, nobody) == [None]
    assert not (job.folder.path / "rows.parquet").exists()


def test_batch_size_changes_no_number_beyond_rounding(tmp_path: Path, session: Session) -> None:
    tables = []
    for batch in (1, 8):
        job = finished([*SMALL[:3], "baseline=warp", f"batch={batch}", f"out={tmp_path}/{batch}"], session)
        tables.append(pd.read_parquet(job.folder.path / "rows.parquet"))
    numbers = [table.select_dtypes("number").to_numpy(float) for table in tables]
    assert np.array_equal(tables[0]["sample"], tables[1]["sample"])
    np.testing.assert_allclose(numbers[0], numbers[1], rtol=0, atol=1e-6)


def test_reversed_order_gives_the_same_table(tmp_path: Path, session: Session) -> None:
    whole = finished([*SMALL, f"out={tmp_path}/whole"], session)
    job = prepare(compose_run([*SMALL, f"out={tmp_path}/reversed"]), session)
    job.folder.create(job.manifest, "", job.plan.index)
    task = Task(job.config, job.device.name, job.missing()[::-1], frozenset(), job.folder)
    LocalEngine(session).run([task], nobody)
    execute([job], session, nobody)
    assert parquet(job) == parquet(whole)


def test_a_torn_row_is_computed_again(tmp_path: Path, session: Session) -> None:
    job = finished([*SMALL, f"out={tmp_path}"], session)
    before, journal = parquet(job), next((job.folder.path / "rows").glob("*.jsonl"))
    journal.write_bytes(journal.read_bytes()[:-40])
    (job.folder.path / "rows.parquet").unlink()
    execute([job], session, nobody)
    assert parquet(job) == before


def test_two_processes_cannot_write_one_shard(tmp_path: Path, session: Session) -> None:
    job = prepare(compose_run([*SMALL, f"out={tmp_path}"]), session)
    job.folder.create(job.manifest, "", job.plan.index)
    other = RunFolder(job.folder.path, job.folder.writer)
    with other.claim(), pytest.raises(UserError, match="another process"):
        execute([job], session, nobody)


def test_killed_runs_end_as_if_never_interrupted(tmp_path: Path, session: Session) -> None:
    command = [sys.executable, "-m", "evalkit", "run", "protocol=tps", "protocol.resolution=128", "limit=6", "batch=1"]
    command += ["baseline=warp", "oracle.workers=1"]

    def start(name: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "EVALKIT_CACHE": str(tmp_path / f"cache-{name}")}
        return subprocess.Popen([*command, f"out={tmp_path / name}"], env=environment, stdout=subprocess.DEVNULL)

    assert start("whole").wait(timeout=300) == 0
    chance, rows_seen = random.Random(0), 0
    for _ in range(3):
        process = start("killed")
        while process.poll() is None and _rows(tmp_path / "killed") <= rows_seen:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        rows_seen = _rows(tmp_path / "killed")
    assert 0 < rows_seen < 6, "the kills came too late to test anything"
    assert start("killed").wait(timeout=300) == 0
    whole, killed = (next((tmp_path / name).rglob("rows.parquet")) for name in ("whole", "killed"))
    assert killed.read_bytes() == whole.read_bytes()
    assert {p.name for p in (killed.parent / "arrays").iterdir() if p.suffix == ".safetensors"} == {
        p.name for p in (whole.parent / "arrays").iterdir()
    }


def _rows(folder: Path) -> int:
    return sum(journal.read_bytes().count(b"\n") for journal in folder.rglob("rows/*.jsonl"))


def test_an_engine_can_rebuild_a_task_from_plain_settings(tmp_path: Path, session: Session) -> None:
    """In another process there are settings only: the same rows come out."""
    whole = finished([*SMALL, f"out={tmp_path}/whole"], session)
    job = prepare(compose_run([*SMALL, f"out={tmp_path}/again"]), session)
    job.folder.create(job.manifest, "", job.plan.index)
    config = config_of(json.loads(json.dumps(job.config.tree())))
    assert config == job.config
    LocalEngine(Session()).run([Task(config, "cpu", job.missing(), frozenset(), job.folder)], nobody)
    assert job.folder.rows() == whole.folder.rows()
