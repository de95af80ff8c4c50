"""The half of the `colmap` oracle that computes."""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch
from torch import Tensor

from evalkit.oracles.frames import clips_to_uint8
from evalkit.oracles.oracle import ClipLocation, Estimate
from evalkit.oracles.sfm.colmap import ColmapOptions, ColmapOracle
from evalkit.oracles.sfm.worker_pool import Answer, WorkerPool
from evalkit.views import Cameras


class ColmapEstimator(ColmapOracle):
    """Estimates cameras in worker processes. A clip succeeds only if all of its frames end in one model.

    pycolmap runs in processes of its own because it exports its own zlib: imported before Pillow has written a PNG, it
    crashes the process later.
    """

    def __init__(self, options: ColmapOptions, device: str) -> None:
        super().__init__(options, device)
        self._pool = WorkerPool(json.dumps(options.effective()), options.worker_count())

    def estimate(
        self, images: Tensor, cameras: Cameras | None, locations: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """Estimate w2c of ``images`` [B, V, 3, H, W], relative to the first frame, widest baseline 1.

        Pixels are rounded to 8 bits first. ``cameras`` and ``locations`` are not used. Raises ValueError as
        `clips_to_uint8` does.
        """
        clips, views = clips_to_uint8(images), images.shape[1]
        return estimate_of(self._pool.ask([clip.numpy() for clip in clips], self.options.clip_timeout_s(views)), views)

    def close(self) -> None:
        """End the worker processes; a later `estimate` starts new ones."""
        self._pool.close()


def estimate_of(answers: Sequence[Answer], views: int) -> Estimate:
    """Turn the answers of worker processes about clips of ``views`` frames into an estimate."""
    w2c = [_w2c(answer, views) for answer in answers]
    return Estimate(
        torch.stack(w2c) if w2c else torch.zeros(0, views, 4, 4, dtype=torch.float64),
        tuple(answer.get("reason", "") for answer in answers),
    )


def _w2c(answer: Answer, views: int) -> Tensor:
    """The cameras [V, 4, 4] of an answer, NaN where there are none."""
    if "w2c" in answer:
        return torch.tensor(answer["w2c"], dtype=torch.float64)
    return torch.full((views, 4, 4), torch.nan, dtype=torch.float64)
