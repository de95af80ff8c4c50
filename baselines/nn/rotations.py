"""Rotations as six numbers: the first two columns of the matrix, of any length and angle (Zhou et al., CVPR 2019)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0)  # a 6-D rotation and a translation


def rotation_from_6d(columns: Tensor) -> Tensor:
    """Rotation matrices [..., 3, 3] from two vectors [..., 6], by Gram-Schmidt; the first one keeps its direction.

    >>> rotation_from_6d(torch.tensor([2.0, 0, 0, 1, 3, 0])).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    first, second = columns[..., :3], columns[..., 3:]
    x = normalize(first, dim=-1)
    y = normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y, dim=-1)], dim=-1)


def rigid_from_nine(changes: Tensor) -> Tensor:
    """Rigid motions [..., 4, 4] from differences [..., 9] to the identity: of a 6-D rotation and a translation.

    >>> bool(torch.equal(rigid_from_nine(torch.zeros(9)), torch.eye(4)))
    True
    """
    numbers = changes + changes.new_tensor(IDENTITY)
    top = torch.cat([rotation_from_6d(numbers[..., :6]), numbers[..., 6:, None]], dim=-1)
    bottom = changes.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, bottom], dim=-2)


def six_d_from_rotation(rotation: Tensor) -> Tensor:
    """The first two columns [..., 6] of rotation matrices [..., 3, 3]."""
    return rotation[..., :2].mT.flatten(-2)
