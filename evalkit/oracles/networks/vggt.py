"""The `vggt` oracle: VGGT-1B as XFactor uses it to measure TPS.

Facts from `vggt/oracle.py` of vsitzmann/xfactor-nvs@d0dd984 and from facebookresearch/vggt@44b3afb.
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

WEIGHTS = "vggt-1b"
SIDE = 518  # pixels: the resolution that VGGT was trained at, 37 patches of 14


class VggtOptions(ComponentOptions):
    """Settings of VGGT; `config/oracle/vggt.yaml` says what each is for."""

    name: Literal["vggt"]
    revision: Literal["860abec7937da0a4c03c41d3c269c366e82abdf9"]
    precision: Literal["bfloat16", "float32"]
    reference: Literal["middle", "first"]
    batch: int = Field(ge=1)


class VggtOracle:
    """Estimates the cameras of all frames of a clip in one pass; it has an answer to every clip, however bad."""

    Options = VggtOptions

    def __init__(self, options: VggtOptions, device: str) -> None:
        self.options, self._device = options, device
        self._aggregator, self._head = networks(device)
        self._identity = {
            **options.model_dump(),
            "package": installed_version("vggt"),
            "sha256": find(WEIGHTS).digests()[locate(WEIGHTS).name],
            "frames": f"uint8, {SIDE} square",
        }
        self.notes = (f"oracle=vggt: the weights of VGGT-1B are {find(WEIGHTS).licence}: no commercial use",)

    def identity(self) -> dict[str, str | int | float | bool]:
        """Name, commit of the package, weights, precision, reference policy, batch (which may move the last bits)."""
        return dict(self._identity)

    def estimate(
        self, images: Tensor, cameras: Cameras | None, places: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """Estimate w2c of ``images`` [B, V, 3, H, W], relative to the first frame, in VGGT's unit of length.

        Pixels are rounded to 8 bits first. ``cameras`` are not looked at. Raises ValueError as `quantised` does.
        """
        return estimate_in_batches(images, SIDE, self.options.batch, self._device, self._w2c)

    def _w2c(self, frames: Tensor) -> Tensor:
        """Cameras of frames [b, V, 3, 518, 518], in the order of the frames, relative to the reference."""
        order = reference_first(frames.shape[1], self.options.reference)
        with autocast(self._device, self.options.precision):
            tokens, _ = self._aggregator(frames[:, order])
        with torch.autocast(torch.device(self._device).type, enabled=False):
            encodings = self._head([tokens[-1].float()])
        return decoded(encodings[-1])[:, order.argsort()]


def networks(device: str) -> tuple[nn.Module, nn.Module]:
    """The aggregator and the camera head, with their weights; the heads for depth, points and tracks stay away.

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
    """The order of ``views`` frames in which VGGT sees them: it treats the first as its reference.

    >>> reference_first(5, "middle").tolist()
    [2, 0, 1, 3, 4]
    """
    middle = views // 2 if reference == "middle" else 0
    return torch.tensor([middle, *(i for i in range(views) if i != middle)])


def decoded(encoding: Tensor) -> Tensor:
    """Turn ``absT_quaR_FoV`` [..., 9] into w2c [..., 4, 4] float64: translation, quaternion xyzw, two fields of view.

    The quaternion need not have length 1; of length 0 it gives NaN.

    >>> decoded(torch.tensor([1.0, 2, 3, 0, 0, 2, 2, 1, 1]))[:3].round().int().tolist()  # a quarter turn about z
    [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3]]
    """
    encoding = encoding.double()
    quaternion = encoding[..., 3:7] / encoding[..., 3:7].norm(dim=-1, keepdim=True)
    x, y, z, w = quaternion.unbind(-1)
    zero = torch.zeros_like(w)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(*w.shape, 3, 3)  # v -> (x, y, z) x v
    w2c = torch.zeros(*encoding.shape[:-1], 4, 4, dtype=torch.float64, device=encoding.device)
    w2c[..., :3, :3] = 2 * (w[..., None, None] * cross + cross @ cross)
    w2c.diagonal(dim1=-2, dim2=-1).add_(1)
    w2c[..., :3, 3] = encoding[..., :3]
    return w2c
