"""Speed of metrics beside the usual way to compute them, both timed in one run; the ratio is printed, and in the JSON.

Run with ``pytest tests/benchmarks --benchmark-enable --benchmark-only --benchmark-json=speed.json``. Without, each runs
once on little data, to be known to work. Ratios depend on what else the machine is doing, so none is asserted here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio as scikit_psnr
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from evalkit.metrics.image import psnr, ssim
from evalkit.metrics.pose import joint_error, pose_auc, relative_pose_errors

OPTIONS: dict[str, Any] = {"gaussian_weights": True, "win_size": 11, "channel_axis": 0, "data_range": 1.0}


def fastest(function: Callable[[], object], rounds: int = 3) -> float:
    """Seconds of the fastest of a few calls."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def test_psnr_and_ssim_of_256_images_against_scikit_image_and_torchmetrics(benchmark: Any) -> None:
    count, rng = 8 if benchmark.disabled else 256, torch.Generator().manual_seed(0)
    target = torch.rand(count, 3, 256, 256, generator=rng)
    pred = (target + 0.1 * torch.randn(target.shape, generator=rng)).clamp(0, 1)

    def scikit_image() -> None:
        for a, b in zip(pred[:8].numpy(), target[:8].numpy(), strict=True):
            scikit_psnr(b, a, data_range=1.0)
            structural_similarity(a, b, **OPTIONS)

    def torchmetrics() -> None:
        peak_signal_noise_ratio(pred[:32], target[:32], data_range=1.0, reduction="none", dim=(1, 2, 3))
        structural_similarity_index_measure(pred[:32], target[:32], data_range=1.0, reduction="none")

    expected = [
        structural_similarity(a, b, **OPTIONS) for a, b in zip(pred[:2].numpy(), target[:2].numpy(), strict=True)
    ]
    assert np.abs(ssim(pred[:2], target[:2]).numpy() - expected).max() < 1e-6
    benchmark.pedantic(lambda: (psnr(pred, target), ssim(pred, target)), rounds=3, warmup_rounds=1)
    if not benchmark.disabled:
        ours = benchmark.stats.stats.min / count
        benchmark.extra_info["ms_per_image"] = round(1e3 * ours, 2)
        benchmark.extra_info["faster_than_scikit_image"] = round(fastest(scikit_image) / 8 / ours, 2)
        benchmark.extra_info["faster_than_torchmetrics"] = round(fastest(torchmetrics) / 32 / ours, 2)


def test_pose_scores_of_4000_clips_against_a_loop_over_clips(benchmark: Any) -> None:
    rng = torch.Generator().manual_seed(0)
    poses = torch.eye(4).repeat(2, 4000, 5, 1, 1)
    poses[..., :3, :3] = torch.linalg.qr(torch.randn(2, 4000, 5, 3, 3, generator=rng)).Q
    poses[..., :3, :3] *= torch.linalg.det(poses[..., :3, :3])[..., None, None]
    poses[..., :3, 3] = torch.randn(2, 4000, 5, 3, generator=rng)

    def score(pred: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        return pose_auc(joint_error(*relative_pose_errors(pred, true)), 20, "xfactor")

    def loop() -> torch.Tensor:
        return torch.cat([score(pred[None], true[None]) for pred, true in zip(*poses[:, :200], strict=True)])

    together = benchmark.pedantic(score, args=tuple(poses), rounds=5, warmup_rounds=1)
    torch.testing.assert_close(together[:200], loop())
    if not benchmark.disabled:
        ours = benchmark.stats.stats.min / 4000
        benchmark.extra_info["us_per_clip"] = round(1e6 * ours, 2)
        benchmark.extra_info["faster_than_a_loop"] = round(fastest(loop) / 200 / ours, 1)
