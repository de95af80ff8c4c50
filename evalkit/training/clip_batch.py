"""Clips that a network is trained on, with their true cameras where it needs them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class ClipBatch(NamedTuple):
    """Images [B, V, 3, H, W] in [0, 1] in temporal order, and w2c [B, V, 4, 4] (OpenCV) or None.

    A named tuple, since Fabric and DDP move and convert the parts of one. Its length is 2, not B.
    """

    images: Tensor
    w2c: Tensor | None = None

    def mirrored(self, selected: Tensor) -> ClipBatch:
        """Mirror the clips ``selected`` [B] (bool) left to right, with the cameras of a mirrored world."""
        images = torch.where(selected[:, None, None, None, None], self.images.flip(-1), self.images)
        if self.w2c is None:
            return ClipBatch(images)
        return ClipBatch(images, torch.where(selected[:, None, None, None], mirrored_cameras(self.w2c), self.w2c))


def mirrored_cameras(w2c: Tensor) -> Tensor:
    """Cameras [..., 4, 4] of the world mirrored left to right: M w2c M, where X -> MX and M = diag(-1, 1, 1, 1).

    A point at w2c X = (x, y, z) is then at (-x, y, z): the same row, the opposite column about the principal point.
    """
    sign = w2c.new_tensor([-1.0, 1.0, 1.0, 1.0])
    return sign[:, None] * w2c * sign


def draw_roles(clips: int, views: int, targets: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw positions of context views [B, views - targets] and of targets [B, targets], both in temporal order.

    The first and the last view are context; the targets are random views between them.
    """
    inner = 1 + rng.random((clips, views - 2)).argsort(axis=1)
    ends = np.broadcast_to([0, views - 1], (clips, 2))
    context = np.concatenate([ends, inner[:, targets:]], axis=1)
    return torch.from_numpy(np.sort(context, axis=1)), torch.from_numpy(np.sort(inner[:, :targets], axis=1))
