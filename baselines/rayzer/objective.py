"""What RayZer learns from: views that the scene was not built from, rendered at their predicted poses (eq. 1)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from baselines.nn.transformer import Block
from baselines.rayzer.model import RayZerModel
from baselines.rayzer.network import RayZerNetwork
from evalkit.method import PoseCode
from evalkit.metrics.image import psnr
from evalkit.training.clips import Clips, drawn_roles
from evalkit.training.losses import reconstruction
from evalkit.training.trainee import LOSS, Trainee
from evalkit.views import Cameras, take_views


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
        offset = drawn_offsets(images, self.model.jitter, rng)
        possible = [split for split in self.model.splits if split.views == images.shape[1]]
        split = possible[rng.integers(len(possible))]
        context, target = (x.to(images.device) for x in drawn_roles(len(images), split.views, split.targets, rng))
        rendered = reconstructed(self.network, images, context, target, offset)
        truth = take_views(images if offset is None else shifted(images, offset), target)
        loss = reconstruction(rendered, truth, self.model.pixel, self.model.perceptual)
        return {LOSS: loss, "psnr": psnr(rendered.detach().float().flatten(0, 1), truth.flatten(0, 1)).mean()}


def reconstructed(
    network: RayZerNetwork, clips: Tensor, context: Tensor, target: Tensor, offset: Tensor | None = None
) -> Tensor:
    """The views at ``target`` [B, T], rendered from those at ``context`` [B, C]; all poses are estimated together.

    With an ``offset`` [B, V, 2] scene and renders are of frames that are `shifted` by it; the poses are not.
    """
    ranks = torch.arange(clips.shape[1], device=clips.device)[None]
    tokens = network.embed(clips, ranks)
    seen = take_views(tokens if offset is None else network.embed(shifted(clips, offset), ranks), context)
    if network.model.order == "scene_first":
        scene = network.encode_scene(seen, None)
        poses = network.encode_poses(tokens, scene)
    else:
        poses = network.encode_poses(tokens)
        poses = poses if offset is None else through(poses, offset)
        scene = network.encode_scene(seen, poses.take(context))
    return network.render(scene, poses.take(target))


def drawn_offsets(images: Tensor, jitter: int, rng: np.random.Generator) -> Tensor | None:
    """Whole pixels [B, V, 2] by which each view of clips [B, V, 3, H, W] is shifted; None where there is no jitter."""
    if not jitter:
        return None
    drawn = rng.integers(-jitter, jitter, (*images.shape[:2], 2), endpoint=True)
    return torch.from_numpy(drawn).to(images.device)


def shifted(images: Tensor, offset: Tensor) -> Tensor:
    """Images [B, V, 3, H, W] that show what lay ``offset`` [B, V, 2] pixels (x, y) further on, borders repeated."""
    column, row = (
        (torch.arange(size, device=images.device) + offset[..., axis, None]).clamp(0, size - 1)
        for axis, size in enumerate((images.shape[-1], images.shape[-2]))
    )
    moved = images.gather(-2, row[:, :, None, :, None].expand_as(images))
    return moved.gather(-1, column[:, :, None, None, :].expand_as(images))


def through(poses: PoseCode, offset: Tensor) -> PoseCode:
    """The same cameras [B, V] with lenses whose middle lies where `shifted` puts it."""
    cameras = poses.cameras
    assert cameras is not None and cameras.intrinsics is not None
    lens = cameras.intrinsics.clone()
    lens[..., :2, 2] -= offset
    return PoseCode(cameras=Cameras(cameras.w2c, lens), latent=poses.latent, features=poses.features)
