"""Cameras in the form that the ray-caster uses."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

TILE = 16  # pixels along a side of a tile


@dataclass(frozen=True)
class PinholeCameras:
    """Cameras of F frames of ``resolution`` x ``resolution`` pixels, float32.

    Attributes:
        origin: positions [F, 3].
        rotation: camera axes in the world as rows, [F, 3, 3].
        focal: focal lengths in pixels [F].
        centre_x, centre_y: principal points in pixels [F].
    """

    origin: Tensor
    rotation: Tensor
    focal: Tensor
    centre_x: Tensor
    centre_y: Tensor
    resolution: int

    @staticmethod
    def of(w2c: Tensor, intrinsics: Tensor, resolution: int) -> PinholeCameras:
        """Convert float64 cameras w2c [F, 4, 4] and intrinsics [F, 3, 3].

        Positions are computed as explicit sums, so that they do not depend on the number of frames.
        """
        r, t = w2c[:, :3, :3], w2c[:, :3, 3]
        origin = -(r[:, 0] * t[:, 0:1] + r[:, 1] * t[:, 1:2] + r[:, 2] * t[:, 2:3])
        k = intrinsics.float()
        return PinholeCameras(origin.float(), r.float(), k[:, 0, 0], k[:, 0, 2], k[:, 1, 2], resolution)

    def take(self, part: slice) -> PinholeCameras:
        """Return the cameras of some frames."""
        return PinholeCameras(
            self.origin[part], self.rotation[part], self.focal[part], self.centre_x[part], self.centre_y[part],
            self.resolution,
        )  # fmt: skip

    @property
    def pixel_width(self) -> Tensor:
        """Width of a pixel at depth 1, [F]."""
        return self.focal.reciprocal()

    @property
    def tiles(self) -> int:
        """Tiles along one side of a frame."""
        return -(-self.resolution // TILE)
