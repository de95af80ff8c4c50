"""The `cameras` oracle: returns the cameras of the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalkit.config.options import ComponentOptions
from evalkit.errors import UserError
from evalkit.oracles.oracle import ClipLocation, Estimate, Identity

if TYPE_CHECKING:
    from torch import Tensor

    from evalkit.views import Cameras


class CamerasOptions(ComponentOptions):
    """There is nothing to choose."""

    name: str = "cameras"


class CamerasOracle:
    """Answers with the cameras that the dataset gives; never fails and reads no pixel."""

    Options = CamerasOptions
    reads_pixels = False

    def __init__(self, options: CamerasOptions, device: str) -> None:
        self.options = options

    def identity(self) -> Identity:
        """The name: the cameras themselves are part of the dataset's digest."""
        return {"name": self.options.name}

    def estimate(
        self, images: Tensor, cameras: Cameras | None, locations: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """Return the w2c of ``cameras`` [B, V]. Raises UserError where there are none, ValueError for V < 2."""
        if cameras is None:
            raise UserError("oracle=cameras needs frames with known cameras, and renders have none: use oracle=colmap")
        if images.shape[1] < 2 or cameras.w2c.shape[:2] != images.shape[:2]:
            raise ValueError(f"need equal B and V >= 2: images {list(images.shape)}, w2c {list(cameras.w2c.shape)}")
        return Estimate(cameras.w2c.detach().cpu().double(), ("",) * len(images))
