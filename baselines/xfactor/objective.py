"""XFactor's objective: each half of the patches is rendered at the pose of the other half (section 4)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn

from baselines.xfactor.model import XFactorModel
from baselines.xfactor.network import XFactorNetwork, whole
from evalkit.data.augment import draw
from evalkit.metrics.image import psnr
from evalkit.training.clip_batch import ClipBatch
from evalkit.training.losses import reconstruction
from evalkit.training.trainee import LOSS, Trainee
from evalkit.views import take_views

QUADRANTS = tuple(combinations(range(4), 2))  # the six ways to take two of four


class XFactorTrainee(Trainee):
    """The network with its objective; clips hold the context views and one target."""

    network: XFactorNetwork

    def __init__(self, model: XFactorModel) -> None:
        super().__init__()
        self.model, self.network = model, XFactorNetwork(model)

    def views(self, rng: np.random.Generator) -> int:
        """The context and one target."""
        return self.model.contexts + 1

    def repeated(self) -> Iterable[nn.Module]:
        """The layers of both networks."""
        return (*self.network.encoder.layers, *self.network.renderer.layers)

    def forward(self, clips: ClipBatch, rng: np.random.Generator, progress: float) -> dict[str, Tensor]:
        """Render one view of each clip from the others; see `Trainee`."""
        order = torch.from_numpy(draw_order(len(clips.images), self.model, rng)).to(clips.images.device)
        views = take_views(clips.images, order)
        augmented = self._augmented(views, rng)
        target = views[:, -1]
        own = own_pose_count(len(views), self.model.own_pose_share(progress), rng)
        partition = torch.from_numpy(draw_partitions(len(views) - own, self.model.grid, rng)).to(views.device)
        rendered = [
            self._rendered(augmented[part], views[part], segments)
            for part, segments in (
                (slice(own), whole(own, self.model.grid**2, views.device)),
                (slice(own, None), partition),
            )
            if len(segments)
        ]
        image = torch.cat(rendered)
        loss = reconstruction(image, target, "l1", self.model.perceptual)
        return {LOSS: loss, "psnr": psnr(image.detach(), target).mean()}

    def _rendered(self, augmented: Tensor, views: Tensor, segments: Tensor) -> Tensor:
        """Render the last view from the others, each segment of patches at the pose of the other segment."""
        poses = encoded(self.network, 2 * augmented - 1, segments, self.model.joint_encoder)
        image: Tensor = self.network.renderer(2 * views[:, :-1] - 1, poses.flip(1), segments)
        return image

    def _augmented(self, views: Tensor, rng: np.random.Generator) -> Tensor:
        """The input of the pose encoder: colours and sharpness changed in the same way in all frames of a clip."""
        options = self.model.augment
        if options is None:
            return views
        return torch.stack([draw(rng, options).apply(clip) for clip in views])


def encoded(network: XFactorNetwork, images: Tensor, segments: Tensor, joint: bool) -> Tensor:
    """Encode poses relative to view 0: of all views together (``joint``), or pair by pair.

    Args:
        network: the network.
        images: views [N, V, 3, H, W] in [-1, 1].
        segments: patches of each of S segments, [N, S, patches].
        joint: encode all views together.

    Returns:
        Poses [N, S, V, P].
    """
    poses: Tensor
    if joint or images.shape[1] == 2:
        poses, _ = network.encoder(images, segments)
        return poses
    poses, _ = pairwise(network, images, segments)
    return poses


def pairwise(network: XFactorNetwork, images: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
    """Poses [N, S, V, P] and features [N, S, V, 2 C] of each view, from the pair of it and view 0; see `encoded`.

    The pose of view 0 is exactly 0.
    """
    count, views = images.shape[:2]
    pairs = torch.stack([images[:, :1].expand_as(images), images], dim=2).flatten(0, 1)  # [N V, 2, 3, H, W]
    poses, features = network.encoder(pairs, segments.repeat_interleave(views, dim=0))
    poses, features = (x[:, :, 1].unflatten(0, (count, views)).transpose(1, 2) for x in (poses, features))
    is_other = torch.arange(views, device=images.device) > 0  # view 0 in both places of a pair: equal up to rounding
    return poses * is_other[:, None], features


def draw_order(
    clips: int, model: XFactorModel, rng: np.random.Generator
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Draw the roles of views: positions [B, V] of the reference, the other context views, and the target.

    The target is any view, the reference the middle one of the rest. With the chance ``same_target`` the target is
    one of the context views instead.
    """
    views = model.contexts + 1
    target = rng.integers(views, size=clips)
    others = np.array([[v for v in range(views) if v != t] for t in range(views)])[target]
    middle = model.contexts // 2
    context = np.concatenate([others[:, middle : middle + 1], np.delete(others, middle, axis=1)], axis=1)
    copied = context[np.arange(clips), rng.integers(model.contexts, size=clips)]
    target = np.where(rng.random(clips) < model.same_target, copied, target)
    return np.concatenate([context, target[:, None]], axis=1)


def own_pose_count(clips: int, share: float, rng: np.random.Generator) -> int:
    """Number of clips that are rendered at their own pose: ``share`` of the batch, rounded up or down at random."""
    return min(int(clips * share + rng.random()), clips)


def draw_partitions(
    clips: int, grid: int, rng: np.random.Generator
) -> np.ndarray[tuple[int, int, int], np.dtype[np.int64]]:
    """Draw two quadrants of patches for each clip, and the two others: patches [B, 2, grid^2 / 2]."""
    if grid % 2:
        raise ValueError(f"{grid} patches along a side cannot be halved")
    row, column = np.divmod(np.arange(grid * grid), grid)
    quadrant = 2 * (row >= grid // 2) + (column >= grid // 2)
    ways = np.array([[np.flatnonzero(np.isin(quadrant, two) == side) for side in (True, False)] for two in QUADRANTS])
    return ways[rng.integers(len(ways), size=clips)]
