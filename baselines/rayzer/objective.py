"""What RayZer learns from: views that the scene was not built from, rendered at their predicted poses (eq. 1)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from baselines.nn.transformer import Block
from baselines.rayzer.model import RayZerModel
from baselines.rayzer.network import RayZerNetwork
from evalkit.metrics.image import psnr
from evalkit.training.clips import Clips, drawn_roles
from evalkit.training.losses import reconstruction
from evalkit.training.trainee import LOSS, Trainee
from evalkit.views import take_views


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

    def forward(self, clips: Clips, rng: np.random.Generator, progress: float) -> dict[str, Tensor]:
        """Render the targets of each clip from its context; see `Trainee`."""
        images = clips.images
        possible = [split for split in self.model.splits if split.views == images.shape[1]]
        split = possible[rng.integers(len(possible))]
        context, target = (x.to(images.device) for x in drawn_roles(len(images), split.views, split.targets, rng))
        rendered = reconstructed(self.network, images, context, target)
        truth = take_views(images, target)
        loss = reconstruction(rendered, truth, self.model.pixel, self.model.perceptual)
        return {LOSS: loss, "psnr": psnr(rendered.detach().float().flatten(0, 1), truth.flatten(0, 1)).mean()}


def reconstructed(network: RayZerNetwork, clips: Tensor, context: Tensor, target: Tensor) -> Tensor:
    """The views at ``target`` [B, T], rendered from those at ``context`` [B, C]; all poses are estimated together."""
    tokens = network.embed(clips, torch.arange(clips.shape[1], device=clips.device)[None])
    seen = take_views(tokens, context)
    if network.model.order == "scene_first":
        scene = network.encode_scene(seen, None)
        poses = network.encode_poses(tokens, scene)
    else:
        poses = network.encode_poses(tokens)
        scene = network.encode_scene(seen, poses.take(context))
    return network.render(scene, poses.take(target))
