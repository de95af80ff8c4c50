"""The supervised baseline of RayZer's Table 6 (docs/protocols/probe.md): its camera stage on true poses."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from baselines.rayzer.objective import RayZerTrainee
from evalkit.geometry.se3 import relative_to, rotation_angle_deg
from evalkit.training.clip_batch import ClipBatch
from evalkit.training.pose_loss import RelativePoses, l1_pose_loss
from evalkit.training.trainee import LOSS


class SupervisedRayZer(RayZerTrainee):
    """L1 on the entries of rotations and translations relative to the canonical view, as probes are trained.

    Translations are divided by the clip's largest distance from that view. The paper names neither the loss nor the
    unit of its baseline; both are those of `protocol=probe@rayzer`.
    """

    needs_cameras: ClassVar[bool] = True

    def forward(self, clips: ClipBatch, rng: np.random.Generator, progress: float) -> dict[str, Tensor]:
        """Compare the cameras of all views with the true ones. Nothing here is random. See `Trainee`."""
        assert clips.w2c is not None
        views = clips.images.shape[1]
        tokens = self.network.embed(clips.images, torch.arange(views, device=clips.images.device)[None])
        cameras = self.network.encode_poses(tokens).cameras
        assert cameras is not None
        with torch.autocast(clips.images.device.type, enabled=False):
            return _errors(cameras.w2c.float(), true_poses(clips.w2c, self.model.canonical_of(views)))


def true_poses(w2c: Tensor, canonical: int) -> RelativePoses:
    """Poses of cameras [B, V, 4, 4] relative to view ``canonical``, which itself is not counted; in float64."""
    exact = w2c.double()
    counts = torch.arange(w2c.shape[1], device=w2c.device) != canonical
    return RelativePoses.of(relative_to(exact, exact[:, canonical]), counts.expand(len(w2c), -1))


def _errors(w2c: Tensor, true: RelativePoses) -> dict[str, Tensor]:
    rotation, translation = w2c[..., :3, :3], w2c[..., :3, 3]
    error_deg = rotation_angle_deg(rotation.detach() @ true.rotation.mT)[true.counts]
    translation_error = (translation.detach() - true.translation).norm(dim=-1)[true.counts]
    loss = l1_pose_loss(rotation[None], translation[None], true)[0]
    return {LOSS: loss, "rotation_error_deg": error_deg.mean(), "translation_error": translation_error.mean()}
