"""The half of the `procedural` oracle that computes."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from evalkit.errors import UserError
from evalkit.oracles.frames import clips_to_uint8
from evalkit.oracles.oracle import ClipLocation, Estimate
from evalkit.oracles.procedural.matching import tracked
from evalkit.oracles.procedural.network import read_weights
from evalkit.oracles.procedural.oracle import SIDE, WEIGHTS, ProceduralOracle, ProceduralOracleOptions
from evalkit.oracles.sfm.estimator import estimate_of
from evalkit.oracles.sfm.options import GEOMETRY
from evalkit.oracles.sfm.worker_pool import WorkerPool
from evalkit.threads import map_on_threads
from evalkit.views import Cameras

MAX_FRAMES = 8


class ProceduralEstimator(ProceduralOracle):
    """Follows points by the network here, and solves for cameras in worker processes.

    The network runs on the CPU, one clip at a time and on one thread each, so that neither the batch nor the number of
    threads can change a bit. pycolmap runs in worker processes (see `evalkit.oracles.sfm.estimator`).
    """

    def __init__(self, options: ProceduralOracleOptions, device: str) -> None:
        super().__init__(options, device)
        self._network = read_weights(WEIGHTS)
        effective = options.effective()
        settings = json.dumps({"side": SIDE, "geometry": {name: effective[name] for name in GEOMETRY}})
        worker = "evalkit.oracles.procedural.worker"
        self._pool = WorkerPool(settings, options.worker_count(), options.name, worker)

    def estimate(
        self, images: Tensor, cameras: Cameras | None, locations: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """Estimate w2c of ``images`` [B, V, 3, H, W], relative to the first frame, widest baseline 1.

        Pixels are rounded to 8 bits first. ``cameras`` and ``locations`` are not used. Raises ValueError as
        `clips_to_uint8` does, and UserError for more than 8 frames or frames that are not square.
        """
        clips = clips_to_uint8(images)
        views, height, width = clips.shape[1], *clips.shape[-2:]
        if views > MAX_FRAMES:
            raise UserError(f"oracle=procedural takes 2 to {MAX_FRAMES} frames, not {views}: oracle=colmap takes more")
        if width != height:
            raise UserError(f"oracle=procedural takes square frames, not {height}x{width}")
        tracks = map_on_threads(self._tracks, clips, self.options.worker_count())
        return estimate_of(self._pool.ask(tracks, self.options.clip_timeout_s(views)), views)

    def close(self) -> None:
        """End the worker processes; a later `estimate` starts new ones."""
        self._pool.close()

    def _tracks(self, clip: Tensor) -> NDArray[np.float64]:
        """Follow points through a clip [V, 3, H, W] uint8: [T, V, 2] in pixels of 256 x 256, NaN where not visible."""
        with torch.inference_mode():
            images = resized(clip.float() / 255)
            tracks = tracked(images, self._network, self.options.points // len(images))
            return tracks.pixels.masked_fill(~tracks.visible[..., None], torch.nan).double().numpy()


def resized(images: Tensor) -> Tensor:
    """Resize images [V, 3, H, W] to 256 x 256."""
    if images.shape[-1] == SIDE:
        return images
    return interpolate(images, size=(SIDE, SIDE), mode="bilinear", antialias=True)
