"""The half of the `depth_anything_3` oracle that computes.

Of the package only the network itself is imported: its `api` would import evo (GPL-3), open3d and moviepy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from evalkit.oracles.networks.depth_anything_3 import SIDE, DepthAnything3Options, DepthAnything3Oracle
from evalkit.oracles.networks.learned import autocast, estimate_in_batches, with_weights
from evalkit.oracles.networks.packages import require
from evalkit.oracles.oracle import ClipLocation, Estimate
from evalkit.views import Cameras
from evalkit.weights.store import load

MEAN, STANDARD_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as its `InputProcessor`


class DepthAnything3Estimator(DepthAnything3Oracle):
    """Runs Depth Anything 3. Raises UserError when constructed where the package or the weights are missing."""

    def __init__(self, options: DepthAnything3Options, device: str) -> None:
        super().__init__(options, device)
        self._network = network(self.weights.name, device)

    def estimate(
        self, images: Tensor, cameras: Cameras | None, locations: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """Estimate w2c of ``images`` [B, V, 3, H, W], relative to the first frame, in the network's unit of length.

        Pixels are rounded to 8 bits first. ``cameras`` and ``locations`` are not used. Raises ValueError as
        `clips_to_uint8` does.
        """
        return estimate_in_batches(images, SIDE, self.options.batch, self.device, self._w2c)

    def _w2c(self, frames: Tensor) -> Tensor:
        """Cameras of frames [b, V, 3, 504, 504]; the network itself moves the reference to the front and back."""
        mean, deviation = (
            torch.tensor(values, device=frames.device)[:, None, None] for values in (MEAN, STANDARD_DEVIATION)
        )
        with autocast(self.device, self.options.precision):
            output = self._network((frames - mean) / deviation, ref_view_strategy=self.options.reference)
        extrinsics: Tensor = output["extrinsics"]  # w2c, [b, V, 3, 4] in some releases and [b, V, 4, 4] in others
        w2c = torch.eye(4, dtype=torch.float64, device=frames.device).repeat(*frames.shape[:2], 1, 1)
        w2c[..., :3, :] = extrinsics[..., :3, :].double()
        return w2c


def network(weights: str, device: str) -> nn.Module:
    """Load the network of a catalogued file. Raises UserError where the package or the weights are missing."""
    cfg: Any = require("depth_anything_3.cfg", "depth_anything_3")
    registry: Any = require("depth_anything_3.registry", "depth_anything_3")
    require("depth_anything_3.model.da3", "depth_anything_3")
    require("depth_anything_3.utils.logger", "depth_anything_3").logger.level = 0  # it prints every call
    tensors = load(weights)
    created = cfg.create_object(cfg.load_config(registry.MODEL_REGISTRY[weights]))
    return with_weights(created, tensors, "model.").to(device)
