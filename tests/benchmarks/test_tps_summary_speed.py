"""Seconds of one thread to summarise 4,000 pairs of `tps` from the files that a run keeps: less than ten.

Run as `test_metrics_speed` says.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from evalkit.geometry.se3 import motion_exp
from evalkit.metrics.accuracies import ACCURACIES
from evalkit.run.store import RunFolder
from protocols.shared.skill_names import SIGNED_AUC
from protocols.shared.summaries import intervals
from protocols.tps.columns import CEILING
from protocols.tps.summary import Findings, against_others, oracle_values, other_means, unbounded_means

PAIRS, VIEWS, SIDE = 4000, 5, 32
SECONDS = 10.0


def written(folder: Path, pairs: int) -> pd.DataFrame:
    """Rows of random pairs along a cycle, whose arrays lie in ``folder``."""
    rng, numbers = torch.Generator().manual_seed(0), np.random.default_rng(0)
    (folder / "arrays").mkdir(parents=True)
    scenes = [[f"s{i:04d}", f"s{(i + 1) % pairs:04d}"] for i in range(pairs)]
    ids = ["~".join(names) for names in scenes]
    for name in ids:
        cameras = motion_exp(torch.randn(3, VIEWS, 6, generator=rng, dtype=torch.float64))
        changes = torch.randn(2, VIEWS, 3, SIDE, SIDE, generator=rng).half()
        arrays = dict(zip(("real_w2c", "blurred_w2c", "render_w2c"), cameras, strict=True))
        arrays |= dict(zip(("target_change", "render_change"), changes, strict=True))
        save_file({key: value.contiguous() for key, value in arrays.items()}, folder / "arrays" / f"{name}.safetensors")
    keys = [prefix + accuracy.key for prefix in ("", CEILING) for accuracy in ACCURACIES]
    keys += ["own_error_deg", "amplitude", "identity", "identity_real", "exact_psnr", "exact_gain", "exact_ssim"]
    table = {"sample": ids, "scenes": scenes, "oracle_on_real": "ok", "oracle_on_render": "ok"}
    table |= {key: numbers.random(pairs) for key in (*keys, "baseline")}
    return pd.DataFrame(table | {"rotation_span_deg": 60 * numbers.random(pairs)}).sort_values("sample")


def summarised(folder: Path, rows: pd.DataFrame) -> Findings:
    """What `Tps.summarise` computes."""
    metrics = intervals(rows, oracle_values(rows)) | other_means(rows) | unbounded_means(rows, rows)
    return against_others(rows, rows, RunFolder(folder, "").arrays, 0.1, metrics)


def test_a_summary_of_4000_pairs_takes_less_than_ten_seconds(benchmark: Any, tmp_path: Path) -> None:
    rows = written(tmp_path, 40 if benchmark.disabled else PAIRS)
    torch.set_num_threads(1)
    start = time.process_time()
    found = benchmark.pedantic(summarised, (tmp_path, rows), rounds=1)
    seconds = time.process_time() - start
    assert abs(found.metrics["skill"].mean) < 0.1 and f"{SIGNED_AUC.key}|others" in found.metrics
    assert seconds < SECONDS
    benchmark.extra_info[f"seconds_of_{len(rows)}_pairs"] = round(seconds, 1)
