"""The `procedural` oracle: points matched by a small network, cameras by the back-end of `colmap`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn.functional import interpolate

from evalkit.errors import UserError
from evalkit.oracles.frames import quantised
from evalkit.oracles.oracle import ClipLocation, Estimate
from evalkit.oracles.procedural.matching import tracked
from evalkit.oracles.procedural.network import SIDE, read_weights
from evalkit.oracles.sfm.colmap import as_w2c
from evalkit.oracles.sfm.options import NEVER_MATTERS, SfmOptions
from evalkit.oracles.sfm.worker_pool import WorkerPool
from evalkit.views import Cameras

REVISION = 1  # to be raised with any change of this package, colmap_sfm.py or bundle.py that changes an answer
WEIGHTS = Path(__file__).parent / "weights.safetensors"
MOST_FRAMES = 8
FOCAL = ("focal_prior", "focal_spread", "focal_min", "focal_max")


class ProceduralOracleOptions(SfmOptions):
    """Settings of matching and of the lens; `config/oracle/procedural.yaml` says what each is for."""

    name: Literal["procedural"]
    points: int = Field(ge=64, le=8192)


class ProceduralOracle:
    """Estimates the cameras of clips of 2 to 8 frames that share one lens, sharp or soft.

    The network runs on the CPU, a clip at a time and on one thread each, so that neither the batch nor the machine's
    threads can change a bit. pycolmap runs in worker processes (see `evalkit.oracles.sfm.colmap`).
    """

    Options = ProceduralOracleOptions

    def __init__(self, options: ProceduralOracleOptions, device: str) -> None:
        self.options = options
        try:
            self._pycolmap = version("pycolmap")
        except PackageNotFoundError:
            raise UserError("oracle=procedural needs pycolmap, which is not installed: pip install pycolmap") from None
        self._network = read_weights(WEIGHTS)
        self._digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
        self._settings = {k: v for k, v in options.model_dump().items() if k not in NEVER_MATTERS}
        self._workers = options.workers or len(os.sched_getaffinity(0))
        given = json.dumps({"side": SIDE, "lens": {name: self._settings[name] for name in FOCAL}})
        self._pool = WorkerPool(
            given, self._workers, options.timeout_s, options.name, "evalkit.oracles.procedural.worker"
        )

    def identity(self) -> dict[str, str | int | float | bool]:
        """Name, versions, digest of the weights, and each option that can change an answer."""
        return {
            "name": self.options.name,
            "revision": REVISION,
            "weights": self._digest,
            "precision": "float32",
            "pycolmap": self._pycolmap,
            "frames": f"uint8 {SIDE}x{SIDE}",
            "reference": "first",
            **self._settings,
        }

    def estimate(
        self, images: Tensor, cameras: Cameras | None, places: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """Estimate w2c of ``images`` [B, V, 3, H, W], relative to the first frame, widest baseline 1.

        Pixels are rounded to 8 bits first. ``cameras`` are not looked at. Raises ValueError as `quantised` does,
        and UserError for more than 8 frames or frames that are not square.
        """
        clips = quantised(images)
        views = clips.shape[1]
        if views > MOST_FRAMES:
            raise UserError(f"oracle=procedural takes 2 to {MOST_FRAMES} frames, not {views}: oracle=colmap takes more")
        if clips.shape[-1] != clips.shape[-2]:
            raise UserError(f"oracle=procedural takes square frames, not {clips.shape[-2]}x{clips.shape[-1]}")
        threads = torch.get_num_threads()
        try:
            with ThreadPoolExecutor(self._workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                tracks = list(pool.map(self._tracks, clips))
        finally:
            torch.set_num_threads(threads)  # the workers' setting is theirs alone, but new threads would inherit it
        answers = self._pool.ask(tracks)
        found = [as_w2c(answer, views) for answer in answers]
        return Estimate(
            torch.stack(found) if found else torch.zeros(0, views, 4, 4, dtype=torch.float64),
            tuple(answer.get("reason", "") for answer in answers),
        )

    def close(self) -> None:
        """End the worker processes; a later `estimate` starts new ones."""
        self._pool.close()

    def _tracks(self, clip: Tensor) -> NDArray[np.float64]:
        """Points followed through a clip [V, 3, H, W] uint8: [T, V, 2] in pixels of 256 x 256, NaN where unseen."""
        with torch.inference_mode():
            images = resized(clip.float() / 255)
            found = tracked(images, self._network, self.options.points // len(images))
            return found.places.masked_fill(~found.seen[..., None], torch.nan).double().numpy()


def resized(images: Tensor) -> Tensor:
    """Images [V, 3, H, W] at 256 x 256."""
    if images.shape[-1] == SIDE:
        return images
    return interpolate(images, size=(SIDE, SIDE), mode="bilinear", antialias=True)
