"""Poses relative to a reference view in a unit of their own, and the L1 loss between two sets of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RelativePoses:
    """Poses of views relative to a reference: rotation [..., V, 3, 3], translation [..., V, 3].

    ``counts`` [..., V] (bool) marks the views that count: not the reference, whose pose is the identity by
    definition, nor padding.
    """

    rotation: Tensor
    translation: Tensor
    counts: Tensor

    @staticmethod
    def of(w2c: Tensor, counts: Tensor) -> RelativePoses:
        """Convert cameras that are already relative to the reference, to float32 and to one unit a clip.

        Args:
            w2c: [..., V, 4, 4] or [..., V, 3, 4].
            counts: [..., V].

        Returns:
            Translations as fractions of the clip's largest distance from the reference among the views that count.
        """
        distance = (w2c[..., :3, 3].norm(dim=-1) * counts).amax(-1)
        unit = torch.where(distance > 0, distance, 1.0)[..., None, None]
        return RelativePoses(w2c[..., :3, :3].float(), (w2c[..., :3, 3] / unit).float(), counts)

    def __getitem__(self, index: Tensor) -> RelativePoses:
        """Index the leading dimension."""
        return RelativePoses(self.rotation[index], self.translation[index], self.counts[index])


def l1_pose_loss(rotation: Tensor, translation: Tensor, true: RelativePoses) -> Tensor:
    """L1 on the entries of R and of t, over the views that count.

    Args:
        rotation, translation: predictions [S, N, V, 3, 3] and [S, N, V, 3] of S models.
        true: poses [N, V], the same for all models, or [S, N, V].

    Returns:
        One loss a model [S].
    """
    error = (rotation - true.rotation).abs().mean((-2, -1))
    error = error + (translation - true.translation).abs().mean(-1)
    return (error * true.counts).sum((1, 2)) / true.counts.expand_as(error).sum((1, 2))
