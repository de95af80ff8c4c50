"""The `colmap` oracle: structure from motion on each clip, on the CPU, without weights."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from evalkit.errors import UserError
from evalkit.oracles.frames import quantised
from evalkit.oracles.oracle import ClipLocation, Estimate
from evalkit.oracles.sfm.options import NEVER_MATTERS, SfmOptions
from evalkit.oracles.sfm.worker_pool import Answer, WorkerPool
from evalkit.views import Cameras

REVISION = 2  # to be raised with any change of colmap_sfm.py or bundle.py that changes an answer


class ColmapOptions(SfmOptions):
    """Settings of structure from motion; `config/oracle/colmap.yaml` says what each is for."""

    name: Literal["colmap"]
    peak_threshold: float = Field(gt=0)
    max_features: int = Field(ge=1)
    match_ratio: float = Field(gt=0, le=1)


class ColmapOracle:
    """Estimates the cameras of clips of 2 to about 30 frames that share one lens.

    A clip succeeds only if all of its frames end in one model. pycolmap runs in worker processes, because it
    exports a zlib of its own: imported before Pillow has written a PNG, it crashes the process later.
    """

    Options = ColmapOptions

    def __init__(self, options: ColmapOptions, device: str) -> None:
        self.options = options
        try:
            self._pycolmap = version("pycolmap")
        except PackageNotFoundError:
            raise UserError("oracle=colmap needs pycolmap, which is not installed: pip install pycolmap") from None
        self._settings = {k: v for k, v in options.model_dump().items() if k not in NEVER_MATTERS}
        workers = options.workers or len(os.sched_getaffinity(0))
        self._pool = WorkerPool(json.dumps(self._settings), workers, options.timeout_s)

    def identity(self) -> dict[str, str | int | float | bool]:
        """Name, versions, and each option that can change an answer."""
        return {
            "name": self.options.name,
            "revision": REVISION,
            "pycolmap": self._pycolmap,
            "frames": "uint8",
            "reference": "first",
            **self._settings,
        }

    def estimate(
        self, images: Tensor, cameras: Cameras | None, places: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """Estimate w2c of ``images`` [B, V, 3, H, W], relative to the first frame, widest baseline 1.

        Pixels are rounded to 8 bits first. ``cameras`` are not looked at. Raises ValueError as `quantised` does.
        """
        clips = quantised(images)
        answers = self._pool.ask([clip.numpy() for clip in clips])
        return Estimate(
            torch.stack([as_w2c(answer, images.shape[1]) for answer in answers])
            if answers
            else torch.zeros(0, images.shape[1], 4, 4, dtype=torch.float64),
            tuple(answer.get("reason", "") for answer in answers),
        )

    def close(self) -> None:
        """End the worker processes; a later `estimate` starts new ones."""
        self._pool.close()


def as_w2c(answer: Answer, views: int) -> Tensor:
    """The cameras [V, 4, 4] of an answer, NaN where there are none."""
    if "w2c" in answer:
        return torch.tensor(answer["w2c"], dtype=torch.float64)
    return torch.full((views, 4, 4), torch.nan, dtype=torch.float64)
