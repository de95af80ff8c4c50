"""What RUST learns from: the pixels of target views, rendered at the pose that half of each target was given.

The pose comes from a random half. Whether the paper's loss leaves out the half that was seen could not be read; its
PSNR does, and so does ``supervise: unseen``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from baselines.nn.cross import CrossBlock
from baselines.rust.model import RustModel
from baselines.rust.network import RustNetwork, halves_of
from evalkit.metrics.named import MIN_MSE
from evalkit.training.clip_batch import ClipBatch, drawn_roles
from evalkit.training.losses import reconstruction
from evalkit.training.trainee import LOSS, Trainee
from evalkit.views import take_views

Integers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


class RustTrainee(Trainee):
    """The network with its objective; a clip's first and last frames are context, of the others a random part."""

    network: RustNetwork

    def __init__(self, model: RustModel) -> None:
        super().__init__()
        self.model = model
        self.network = RustNetwork(model)

    def views(self, rng: np.random.Generator) -> int:
        """One of the numbers of context views, and the targets."""
        return int(rng.choice(self.model.contexts)) + self.model.targets

    def repeated(self) -> Iterable[nn.Module]:
        """The attention blocks of all three networks."""
        return (each for each in self.network.modules() if isinstance(each, CrossBlock))

    def forward(self, clips: ClipBatch, rng: np.random.Generator, progress: float) -> dict[str, Tensor]:
        """Render random pixels of the targets; see `Trainee`."""
        images = clips.images
        count, device = len(images), images.device
        context, target = drawn_roles(count, images.shape[1], self.model.targets, rng)
        right = rng.integers(2, size=target.shape)
        pixels = torch.from_numpy(drawn_pixels(right, self.model, rng)).to(device)
        targets = take_views(images, target.to(device))
        seen_right = torch.from_numpy(right == 1).to(device)
        scene = self.network.scene(take_views(images, context.to(device)))
        pose = self.network.pose(halves_of(targets, seen_right), seen_right, scene)
        colours = self.network.colours(pose.latent, pixels, scene)
        truth = targets.flatten(3).gather(3, pixels[:, :, None].expand(-1, -1, 3, -1)).transpose(2, 3)
        error = (colours.detach().float() - truth).square().mean((2, 3))
        return {
            LOSS: reconstruction(colours, truth, self.model.pixel_loss, 0.0),
            "psnr": -10 * error.clamp(min=MIN_MSE).log10().mean(),
        }


def drawn_pixels(right: Integers, model: RustModel, rng: np.random.Generator) -> Integers:
    """Row-major numbers of different pixels [B, T, rays], all in the left half where ``right`` [B, T] half is seen."""
    size, half = model.resolution, model.resolution // 2
    order = np.tile(np.arange(model.supervised_pixels), (*right.shape, 1))
    drawn = rng.permuted(order, axis=2)[..., : model.rays] if model.rays < order.shape[-1] else order
    if model.supervise == "all":
        return drawn
    row, column = np.divmod(drawn, half)
    return row * size + column + half * (1 - right[..., None])
