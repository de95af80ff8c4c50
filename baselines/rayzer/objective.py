"""RayZer's objective: views that the scene was not built from, rendered at their predicted poses (eq. 1)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from baselines.nn.transformer import Block
from baselines.rayzer.crop_stage import crops, draw_offsets, rotations_to
from baselines.rayzer.model import RayZerModel
from baselines.rayzer.network import RayZerNetwork
from evalkit.geometry.se3 import rotation_angle_deg
from evalkit.metrics.image import psnr
from evalkit.training.clip_batch import ClipBatch, draw_roles
from evalkit.training.losses import reconstruction
from evalkit.training.trainee import LOSS, Trainee
from evalkit.views import take_views

FEW_VIEWS_SHARE = 0.6  # share of the crop stage with the fewest views: cameras do not start to learn from many at once


class RayZerTrainee(Trainee):
    """The network with its objective: the clip's ends and random other views are context, the rest is rendered."""

    network: RayZerNetwork

    def __init__(self, model: RayZerModel) -> None:
        super().__init__()
        self.model, self.network = model, RayZerNetwork(model)

    def views(self, rng: np.random.Generator) -> int:
        """The number of views of one of the splits, all equally likely."""
        return self.model.splits[rng.integers(len(self.model.splits))].views

    def repeated(self) -> Iterable[nn.Module]:
        """The blocks of all three transformers."""
        return (module for module in self.network.modules() if isinstance(module, Block))

    def forward(self, clips: ClipBatch, rng: np.random.Generator, progress: float) -> dict[str, Tensor]:
        """Render the targets of each clip from its context; before that, the stage of crops. See `Trainee`."""
        if progress < self.model.crop_stage:
            few = progress < FEW_VIEWS_SHARE * self.model.crop_stage
            views = min(self.model.views) if few else clips.images.shape[1]
            return self._crop_stage(clips.images[:, 0], views, rng)
        images = clips.images
        possible = [split for split in self.model.splits if split.views == images.shape[1]]
        split = possible[rng.integers(len(possible))]
        context, target = (x.to(images.device) for x in draw_roles(len(images), split.views, split.targets, rng))
        frozen = progress < self.model.cameras_frozen_until
        rendered = reconstructed(self.network, images, context, target, frozen)
        truth = take_views(images, target)
        loss = reconstruction(rendered, truth, self.model.pixel, self.model.perceptual)
        quality = psnr(rendered.detach().float().flatten(0, 1).clamp(0, 1), truth.flatten(0, 1)).mean()
        return {
            LOSS: self._with_all_weights(loss) if frozen else loss,
            "psnr": quality,
            "rotation_error_deg": loss.new_tensor(torch.nan),
        }

    def _crop_stage(self, frames: Tensor, views: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Compare cameras with the positions of crops of frames [B, 3, H, W], at the estimated focal length."""
        offset = draw_offsets(len(frames), views, self.model.crop_margin, rng).to(frames.device)
        ranks = torch.arange(views, device=frames.device)[None]
        tokens = self.network.embed(crops(frames, offset, self.model.crop_margin), ranks)
        cameras = self.network.encode_poses(tokens).cameras
        assert cameras is not None and cameras.intrinsics is not None
        with torch.autocast(frames.device.type, enabled=False):
            c2w = rotations_to(offset, cameras.intrinsics[..., 0, 0].detach())
            true = c2w.mT @ c2w[:, self.model.canonical_of(views), None]
            rotation, translation = cameras.w2c[..., :3, :3], cameras.w2c[..., :3, 3]
            loss = (rotation - true).square().sum((-1, -2)).mean() + translation.square().sum(-1).mean()
            error_deg = rotation_angle_deg(rotation.detach() @ true.mT).mean()
        return {LOSS: self._with_all_weights(loss), "psnr": loss.new_tensor(torch.nan), "rotation_error_deg": error_deg}

    def _with_all_weights(self, loss: Tensor) -> Tensor:
        """The loss plus zero times the weights it does not depend on: several devices wait for gradients of all."""
        return loss + sum((0.0 * weight.sum() for weight in self.parameters()), start=torch.zeros_like(loss))


def reconstructed(
    network: RayZerNetwork, clips: Tensor, context: Tensor, target: Tensor, cameras_frozen: bool = False
) -> Tensor:
    """Render the target views of clips from their context views; all poses are estimated together.

    Args:
        network: the network.
        clips: images [B, V, 3, H, W] in [0, 1], in temporal order.
        context, target: positions [B, C] and [B, T] of the views.
        cameras_frozen: neither the camera stage nor the embedding of patches gets gradients.

    Returns:
        Images [B, T, 3, H, W].
    """
    with torch.set_grad_enabled(torch.is_grad_enabled() and not cameras_frozen):
        tokens = network.embed(clips, torch.arange(clips.shape[1], device=clips.device)[None])
        poses = network.encode_poses(tokens) if network.model.order == "camera_first" else None
    context_tokens = take_views(tokens, context)
    scene = network.encode_scene(context_tokens, None if poses is None else poses.take(context))
    if poses is None:
        poses = network.encode_poses(tokens, scene)
    return network.render(scene, poses.take(target))
