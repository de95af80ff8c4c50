"""The `depth_anything_3` oracle: the small and base models of Depth Anything 3, whose weights are Apache-2.0.

Of the package only the network itself is imported: its `api` would bring evo (GPL-3), open3d and moviepy.
Facts from depth-anything-3 0.1.1 and ByteDance-Seed/Depth-Anything-3@2c21ea8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from evalkit.config.options import ComponentOptions
from evalkit.oracles.networks.learned import autocast, estimate_in_batches, with_weights
from evalkit.oracles.networks.packages import installed_version, require
from evalkit.oracles.oracle import ClipLocation, Estimate
from evalkit.views import Cameras
from evalkit.weights.catalogue import find
from evalkit.weights.store import load, locate

SIDE = 504  # pixels: the package's own `process_res`, 36 patches of 14
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as its `InputProcessor`


class DepthAnything3Options(ComponentOptions):
    """Settings of Depth Anything 3; `config/oracle/depth_anything_3.yaml` says what each is for."""

    name: Literal["depth_anything_3"]
    size: Literal["small", "base"]
    precision: Literal["bfloat16", "float32"]
    reference: Literal["middle", "first", "saddle_balanced"]
    batch: int = Field(ge=1)


class DepthAnything3Oracle:
    """Estimates the cameras of all frames of a clip in one pass."""

    Options = DepthAnything3Options

    def __init__(self, options: DepthAnything3Options, device: str) -> None:
        self.options, self._device = options, device
        weights = find(f"da3-{options.size}")
        self._network = network(weights.name, device)
        self._identity = {
            **options.model_dump(),
            "package": installed_version("depth-anything-3"),
            "revision": weights.url.split("/resolve/")[1].split("/")[0],
            "sha256": weights.digests()[locate(weights.name).name],
            "frames": f"uint8, {SIDE} square",
        }

    def identity(self) -> dict[str, str | int | float | bool]:
        """Name, version of the package, weights, precision, reference policy, batch (which may move the last bits)."""
        return dict(self._identity)

    def estimate(
        self, images: Tensor, cameras: Cameras | None, places: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """Estimate w2c of ``images`` [B, V, 3, H, W], relative to the first frame, in the network's unit of length.

        Pixels are rounded to 8 bits first. ``cameras`` are not looked at. Raises ValueError as `quantised` does.
        """
        return estimate_in_batches(images, SIDE, self.options.batch, self._device, self._w2c)

    def _w2c(self, frames: Tensor) -> Tensor:
        """Cameras of frames [b, V, 3, 504, 504]; the network itself puts the reference first and back."""
        mean, spread = (torch.tensor(values, device=frames.device)[:, None, None] for values in (MEAN, SPREAD))
        with autocast(self._device, self.options.precision):
            output = self._network((frames - mean) / spread, ref_view_strategy=self.options.reference)
        extrinsics: Tensor = output["extrinsics"]  # w2c, [b, V, 3, 4] in some releases and [b, V, 4, 4] in others
        w2c = torch.eye(4, dtype=torch.float64, device=frames.device).repeat(*frames.shape[:2], 1, 1)
        w2c[..., :3, :] = extrinsics[..., :3, :].double()
        return w2c


def network(weights: str, device: str) -> nn.Module:
    """The network of a catalogued file of weights. Raises UserError where the package or the weights are missing."""
    cfg: Any = require("depth_anything_3.cfg", "depth_anything_3")
    registry: Any = require("depth_anything_3.registry", "depth_anything_3")
    require("depth_anything_3.model.da3", "depth_anything_3")
    require("depth_anything_3.utils.logger", "depth_anything_3").logger.level = 0  # it prints every call
    tensors = load(weights)
    made = cfg.create_object(cfg.load_config(registry.MODEL_REGISTRY[weights]))
    return with_weights(made, tensors, "model.").to(device)
