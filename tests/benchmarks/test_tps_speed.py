"""Pairs a second of TPS beside an unbatched, uncached loop over the same oracle, both timed in one run.

Run as `test_metrics_speed` says. The loop computes the same rows: pair by pair, each method for itself, one oracle
process, no answer and no frame kept. What the run adds is blocks, an oracle process a core, loading ahead, and answers
by content, so that a second method on the same data pays for its renders only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from evalkit.config.compose import compose_runs
from evalkit.config.run import RunConfig
from evalkit.oracles.sfm.colmap import ColmapOracle
from evalkit.protocol import Loaded
from evalkit.registry import Group, implementation, load
from evalkit.run.execute import execute
from evalkit.run.prepare import prepare
from evalkit.run.session import Session

METHODS = ("warp", "shuffled_poses")


def config(out: Path, method: str, pairs: int, *overrides: str) -> RunConfig:
    return compose_runs(["protocol=tps", f"limit={pairs}", f"out={out}", f"baseline={method}", *overrides])[0]


def seconds_of_run(out: Path, methods: Sequence[str], pairs: int, *overrides: str) -> float:
    """Of one pass for all methods, with an empty cache."""
    os.environ["EVALKIT_CACHE"] = str(out / "cache")
    start, session = time.perf_counter(), Session()
    jobs = [prepare(config(out, method, pairs, *overrides), session) for method in methods]
    execute(jobs, session, lambda index, count: None)
    return time.perf_counter() - start


@torch.no_grad()
def seconds_of_loop(out: Path, method_name: str, pairs: int, *overrides: str) -> float:
    start = time.perf_counter()
    settings, session = config(out, method_name, pairs, "oracle.workers=1", *overrides), Session()
    data, method = session.dataset(settings.dataset, "cpu"), session.method(settings.baseline, "cpu")
    oracle = ColmapOracle(settings.oracle, "cpu")  # type: ignore[arg-type]
    protocol = implementation(load(Group.PROTOCOL, "tps"))(settings.protocol, data, oracle, 0)
    for sample in protocol.samples()[:pairs]:
        frames = tuple(data.frames(clip.sequence, clip.numbers, protocol.preprocess) for clip in sample.clips)
        loaded = [Loaded(sample, frames)]
        protocol.score(loaded, protocol.predict(loaded, method), protocol.target_pose(method.card))
    oracle.close()
    return time.perf_counter() - start


def test_tps_pairs_against_an_unbatched_uncached_loop(
    benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))  # and undo what the runs set
    if benchmark.disabled:
        small = ["protocol.resolution=96", "protocol.target=3"]
        benchmark(seconds_of_run, tmp_path, METHODS[:1], 1, *small)
        return
    pairs = 8
    seconds_of_run(tmp_path / "warm", METHODS[:1], 1, "seed=1")  # libraries load, workers start
    loops = [seconds_of_loop(tmp_path, method, pairs) for method in METHODS]
    first = seconds_of_run(tmp_path / "one", METHODS[:1], pairs)
    both = seconds_of_run(tmp_path / "both", METHODS, pairs)
    benchmark.pedantic(lambda: None, rounds=1)
    for name, loop, run in zip(("first", "second"), loops, (first, both - first), strict=True):
        benchmark.extra_info[f"{name}_method_pairs_per_s"] = round(pairs / run, 3)
        benchmark.extra_info[f"{name}_method_faster_than_loop"] = round(loop / run, 2)
