"""Speed of the Frechet distance beside clean-fid's, both timed in one run; the ratio is in ``extra_info``.

Run as `test_metrics_speed` says. Without ``--benchmark-enable`` it runs once on little data.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from evalkit.metrics.distribution import Gaussian, frechet_distance, frechet_from_features

fid = pytest.importorskip("cleanfid.fid")


def features(count: int, dimension: int, seed: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    scale = torch.arange(1, dimension + 1, dtype=torch.float64) ** -0.35
    return (torch.randn(count, dimension, generator=rng, dtype=torch.float64) * scale * (1 + 0.1 * seed)).abs()


@pytest.mark.parametrize(("count_a", "count_b"), [(3000, 2500), (1000, 1000)], ids=["regular", "singular"])
def test_frechet_distance_at_2048_dimensions_against_clean_fid(benchmark: Any, count_a: int, count_b: int) -> None:
    shrink = 32 if benchmark.disabled else 1
    a, b = features(count_a // shrink, 2048 // shrink, 0), features(count_b // shrink, 2048 // shrink, 1)
    x, y = Gaussian.of(a), Gaussian.of(b)
    moments = (x.mean, x.cov, y.mean, y.cov)
    ours = benchmark.pedantic(frechet_distance, args=moments, rounds=3, warmup_rounds=1)
    arrays = [np.ascontiguousarray(moment.numpy()) for moment in moments]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of sqrtm's disp
        start = time.perf_counter()
        theirs = fid.frechet_distance(*arrays)
        seconds = time.perf_counter() - start
    assert ours.item() == pytest.approx(theirs, rel=1e-3)
    if not benchmark.disabled:
        start = time.perf_counter()
        frechet_from_features(a, b)
        from_features = time.perf_counter() - start
        benchmark.extra_info["faster_than_clean_fid"] = round(seconds / benchmark.stats.stats.min, 1)
        benchmark.extra_info["relative_difference"] = f"{abs(ours.item() / theirs - 1):.1e}"
        benchmark.extra_info["from_features_seconds"] = round(from_features, 2)
