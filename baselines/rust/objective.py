"""RUST's objective: pixels of target views, rendered at the pose that was estimated from half of the target.

The half is random. We could not read whether the paper's loss leaves out that half; its PSNR does, and so does
``supervise: unseen``.
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
from evalkit.training.clip_batch import ClipBatch, draw_roles
from evalkit.training.losses import reconstruction
from evalkit.training.trainee import LOSS, Trainee
from evalkit.views import take_views

Integers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


class RustTrainee(Trainee):
    """The network with its objective. A clip's first and last frames are context, and some of the others at random."""

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
        return (module for module in self.network.modules() if isinstance(module, CrossBlock))

    def forward(self, clips: ClipBatch, rng: np.random.Generator, progress: float) -> dict[str, Tensor]:
        """Render random pixels of the targets; see `Trainee`."""
        images = clips.images
        count, device = len(images), images.device
        context, target = draw_roles(count, images.shape[1], self.model.targets, rng)
        right = rng.integers(2, size=target.shape)
        pixels = torch.from_numpy(draw_pixels(right, self.model, rng)).to(device)
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


def draw_pixels(right: Integers, model: RustModel, rng: np.random.Generator) -> Integers:
    """Draw different pixels [B, T, rays] of each target, as row-major numbers.

    With ``supervise`` "unseen" all lie in the half that the pose estimator does not see: the left one where ``right``
    [B, T] is 1.
    """
    size, half = model.resolution, model.resolution // 2
    order = np.tile(np.arange(model.supervised_pixels), (*right.shape, 1))
    pixels = rng.permuted(order, axis=2)[..., : model.rays] if model.rays < order.shape[-1] else order
    if model.supervise == "all":
        return pixels
    row, column = np.divmod(pixels, half)
    return row * size + column + half * (1 - right[..., None])
