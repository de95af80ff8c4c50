"""3D Gaussians (Kerbl et al., SIGGRAPH 2023)."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor

from evalkit.geometry.rotations import rotation_from_quaternion

NUMBERS = (3, 4, 3, 1, 3)  # of one Gaussian: mean, quaternion, scale, opacity, colour


class Gaussians(NamedTuple):
    """G Gaussians a scene; lengths are in the unit of the cameras.

    Means [..., G, 3], quaternions (w, x, y, z) [..., G, 4] of any length, scales [..., G, 3] (standard deviations along
    the axes), opacities [..., G] in [0, 1], colours [..., G, 3].
    """

    means: Tensor
    quaternions: Tensor
    scales: Tensor
    opacities: Tensor
    colours: Tensor

    def packed(self) -> Tensor:
        """All numbers of a Gaussian in one row: [..., G, 14]."""
        return torch.cat([*self[:3], self.opacities[..., None], self.colours], dim=-1)

    @classmethod
    def unpacked(cls, numbers: Tensor) -> Self:
        """Gaussians of rows [..., G, 14] as `packed` returns them."""
        means, quaternions, scales, opacities, colours = numbers.split(NUMBERS, dim=-1)
        return cls(means, quaternions, scales, opacities[..., 0], colours)

    def covariances(self) -> Tensor:
        """Covariance matrices [..., G, 3, 3]."""
        half = rotation_from_quaternion(self.quaternions) * self.scales[..., None, :]
        return half @ half.mT
