"""The half of the `vggt` oracle that computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from evalkit.geometry.rotations import rotation_from_quaternion
from evalkit.oracles.networks.learned import autocast, estimate_in_batches, with_weights
from evalkit.oracles.networks.packages import require
from evalkit.oracles.networks.vggt import SIDE, WEIGHTS, VggtOptions, VggtOracle
from evalkit.oracles.oracle import ClipLocation, Estimate
from evalkit.views import Cameras
from evalkit.weights.store import load


class VggtEstimator(VggtOracle):
    """Runs VGGT. Raises UserError when constructed where the package or the weights are missing."""

    def __init__(self, options: VggtOptions, device: str) -> None:
        super().__init__(options, device)
        self._aggregator, self._head = networks(device)

    def estimate(
        self, images: Tensor, cameras: Cameras | None, locations: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """Estimate w2c of ``images`` [B, V, 3, H, W], relative to the first frame, in VGGT's unit of length.

        Pixels are rounded to 8 bits first. ``cameras`` and ``locations`` are not used. Raises ValueError as
        `clips_to_uint8` does.
        """
        return estimate_in_batches(images, SIDE, self.options.batch, self.device, self._w2c)

    def _w2c(self, frames: Tensor) -> Tensor:
        """Cameras of frames [b, V, 3, 518, 518], in the order of the frames, relative to the reference."""
        order = reference_first(frames.shape[1], self.options.reference)
        with autocast(self.device, self.options.precision):
            tokens, _ = self._aggregator(frames[:, order])
        with torch.autocast(torch.device(self.device).type, enabled=False):
            encodings = self._head([tokens[-1].float()])
        return decoded(encodings[-1])[:, order.argsort()]


def networks(device: str) -> tuple[nn.Module, nn.Module]:
    """Load the aggregator and the camera head; the heads for depth, points and tracks are not needed.

    Raises UserError where the package or the weights are missing.
    """
    aggregator: Any = require("vggt.models.aggregator", "vggt")
    camera_head: Any = require("vggt.heads.camera_head", "vggt")
    tensors = load(WEIGHTS)
    return (
        with_weights(aggregator.Aggregator(), tensors, "aggregator.").to(device),
        with_weights(camera_head.CameraHead(), tensors, "camera_head.").to(device),
    )


def reference_first(views: int, reference: str) -> Tensor:
    """The order in which VGGT is given ``views`` frames: it takes the first as its reference.

    >>> reference_first(5, "middle").tolist()
    [2, 0, 1, 3, 4]
    """
    middle = views // 2 if reference == "middle" else 0
    return torch.tensor([middle, *(i for i in range(views) if i != middle)])


def decoded(encoding: Tensor) -> Tensor:
    """Turn ``absT_quaR_FoV`` [..., 9] into w2c [..., 4, 4] float64: translation, quaternion xyzw, two fields of view.

    The quaternion may have any length but 0, which gives NaN.

    >>> decoded(torch.tensor([1.0, 2, 3, 0, 0, 2, 2, 1, 1]))[:3].round().int().tolist()  # 90 degrees about z
    [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3]]
    """
    encoding = encoding.double()
    quaternion = encoding[..., 3:7] / encoding[..., 3:7].norm(dim=-1, keepdim=True)
    w2c = torch.zeros(*encoding.shape[:-1], 4, 4, dtype=torch.float64, device=encoding.device)
    w2c[..., :3, :3] = rotation_from_quaternion(quaternion.roll(1, -1))
    w2c[..., :3, 3], w2c[..., 3, 3] = encoding[..., :3], 1
    return w2c
