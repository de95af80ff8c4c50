"""What RayZer learns from: views that the scene was not built from, rendered at their predicted poses (eq. 1)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from baselines.nn.transformer import Block
from baselines.rayzer.model import RayZerModel
from baselines.rayzer.network import RayZerNetwork
from baselines.rayzer.still import crops, drawn_offsets, turned
from evalkit.geometry.se3 import rotation_angle_deg
from evalkit.metrics.image import psnr
from evalkit.training.clip_batch import ClipBatch, drawn_roles
from evalkit.training.losses import reconstruction
from evalkit.training.trainee import LOSS, Trainee
from evalkit.views import take_views

ALONE_FEW = 0.6  # share of the lesson of still frames with as few views as there are: many at once wake no cameras
NOT_NOW = torch.tensor(torch.nan)


class RayZerTrainee(Trainee):
    """The network with its objective: the clip's ends and others at random are context, the rest is rendered."""

    network: RayZerNetwork

    def __init__(self, model: RayZerModel) -> None:
        super().__init__()
        self.model, self.network = model, RayZerNetwork(model)

    def views(self, rng: np.random.Generator) -> int:
        """The views of one of the splits, each as likely as any other."""
        return self.model.splits[rng.integers(len(self.model.splits))].views

    def repeated(self) -> Iterable[nn.Module]:
        """The blocks of all three transformers."""
        return (each for each in self.network.modules() if isinstance(each, Block))

    def forward(self, clips: ClipBatch, rng: np.random.Generator, progress: float) -> dict[str, Tensor]:
        """Render the targets of each clip from its context; see `Trainee`. At first, crops: `still`."""
        if progress < self.model.still:
            views = min(self.model.views) if progress < ALONE_FEW * self.model.still else clips.images.shape[1]
            return self._still(clips.images[:, 0], views, rng)
        images = clips.images
        possible = [split for split in self.model.splits if split.views == images.shape[1]]
        split = possible[rng.integers(len(possible))]
        context, target = (x.to(images.device) for x in drawn_roles(len(images), split.views, split.targets, rng))
        held = progress < self.model.held
        rendered = reconstructed(self.network, images, context, target, held)
        truth = take_views(images, target)
        loss = reconstruction(rendered, truth, self.model.pixel, self.model.perceptual)
        quality = psnr(rendered.detach().float().flatten(0, 1), truth.flatten(0, 1)).mean()
        return {LOSS: self._with_all_weights(loss) if held else loss, "psnr": quality, "turn_off_deg": NOT_NOW}

    def _still(self, frames: Tensor, views: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Compare cameras with where crops of frames [B, 3, H, W] lie, through the lens as estimated."""
        offset = drawn_offsets(len(frames), views, self.model.crop, rng).to(frames.device)
        ranks = torch.arange(views, device=frames.device)[None]
        tokens = self.network.embed(crops(frames, offset, self.model.crop), ranks)
        cameras = self.network.encode_poses(tokens).cameras
        assert cameras is not None and cameras.intrinsics is not None
        with torch.autocast(frames.device.type, enabled=False):
            c2w = turned(offset, cameras.intrinsics[..., 0, 0].detach())
            true = c2w.mT @ c2w[:, self.model.canonical_of(views), None]
            rotation, translation = cameras.w2c[..., :3, :3], cameras.w2c[..., :3, 3]
            loss = (rotation - true).square().sum((-1, -2)).mean() + translation.square().sum(-1).mean()
            off = rotation_angle_deg(rotation.detach() @ true.mT).mean()
        return {LOSS: self._with_all_weights(loss), "psnr": NOT_NOW, "turn_off_deg": off}

    def _with_all_weights(self, loss: Tensor) -> Tensor:
        """The loss, with weights that it does not depend on as zeros: several devices wait for gradients of all."""
        return loss + sum((0.0 * weight.sum() for weight in self.parameters()), start=torch.zeros_like(loss))


def reconstructed(network: RayZerNetwork, clips: Tensor, context: Tensor, target: Tensor, held: bool = False) -> Tensor:
    """The views at ``target`` [B, T], rendered from those at ``context`` [B, C]; all poses are estimated together.

    Where the cameras are ``held``, neither they nor the embedding of patches get gradients.
    """
    with torch.set_grad_enabled(torch.is_grad_enabled() and not held):
        tokens = network.embed(clips, torch.arange(clips.shape[1], device=clips.device)[None])
        poses = network.encode_poses(tokens) if network.model.order == "camera_first" else None
    seen = take_views(tokens, context)
    scene = network.encode_scene(seen, None if poses is None else poses.take(context))
    if poses is None:
        poses = network.encode_poses(tokens, scene)
    return network.render(scene, poses.take(target))
