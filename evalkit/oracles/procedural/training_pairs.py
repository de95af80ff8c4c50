"""Training examples: pairs of frames of a ray-cast clip, with points of which the true positions are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evalkit.oracles.procedural.augmentation import augmented
from evalkit.oracles.procedural.network import SIDE
from evalkit.oracles.procedural.training_clips import FRAMES, TrainingClip, TrainingClips

PAIRS, POINTS = 4, 320  # pairs of frames per step; points per frame
MIN_VISIBLE = 80  # points that must be visible in both frames
MARGIN_PX = 4.0  # from the border
SAME_DEPTH = 0.02  # relative difference of depth up to which it is the same surface


@dataclass(frozen=True)
class TrainingPairs:
    """N directed pairs of frames: images [2 N, 3, H, W], the second N are the partners of the first.

    ``points`` [2 N, K, 2] in pixels of each frame; ``partner_points`` [2 N, K, 2], where they lie in its partner;
    ``visible`` [2 N, K], whether they are visible there; ``background`` [2 N, K], whether their ray meets nothing.
    """

    images: Tensor
    points: Tensor
    partner_points: Tensor
    visible: Tensor
    background: Tensor

    @property
    def partner(self) -> Tensor:
        """The index [2 N] of each frame's partner."""
        return torch.arange(len(self.images)).roll(len(self.images) // 2)


def projected(clip: TrainingClip, i: int, j: int, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Project pixels [K, 2] (whole numbers) of frame ``i`` into frame ``j``.

    Returns their pixels there [K, 2], whether they are visible there [K], and whether they are background [K].
    """
    depth = clip.depth[i, points[:, 1], points[:, 0]].double()
    rays = torch.cat([points + 0.5, torch.ones(len(points), 1)], dim=1).double() @ clip.intrinsics[i].inverse().mT
    background = depth.isinf()
    motion = clip.w2c[j] @ clip.w2c[i].inverse()
    in_j = (rays * depth.masked_fill(background, 1.0)[:, None]) @ motion[:3, :3].mT + motion[:3, 3]
    pixels = (in_j @ clip.intrinsics[j].mT)[:, :2] / in_j[:, 2:].clamp(min=1e-3)
    index = pixels.long().clamp(0, SIDE - 1)
    same_surface = (clip.depth[j, index[:, 1], index[:, 0]] - in_j[:, 2]).abs() < SAME_DEPTH * in_j[:, 2]
    inside = ((pixels > MARGIN_PX) & (pixels < SIDE - MARGIN_PX)).all(1)
    return pixels.float(), ~background & (in_j[:, 2] > 0) & inside & same_surface, background


def draw_pairs(clips: TrainingClips, count: int, rng: np.random.Generator) -> TrainingPairs:
    """Draw ``PAIRS`` pairs of frames that overlap enough, from the first ``count`` clips, augmented at random."""
    pairs = [_draw_pair(clips, count, rng) for _ in range(PAIRS)]
    columns = [torch.cat([torch.stack([pair[k][side] for pair in pairs]) for side in (0, 1)]) for k in range(5)]
    return TrainingPairs(*columns)


def _draw_pair(clips: TrainingClips, count: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
    """The fields of `TrainingPairs` for the two frames of one pair, each [2, ...]."""
    while True:
        clip = clips[int(rng.integers(count))]
        i, j = (int(frame) for frame in rng.choice(FRAMES, 2, replace=False))
        points = torch.from_numpy(rng.integers(int(MARGIN_PX), SIDE - int(MARGIN_PX), (2, POINTS, 2)))
        both_ways = [projected(clip, i, j, points[0]), projected(clip, j, i, points[1])]
        partner_points, visible, background = (torch.stack(values) for values in zip(*both_ways, strict=True))
        if int(visible.sum(1).min()) >= MIN_VISIBLE:
            break
    images, points = augmented(clip.images[[i, j]], rng), points + 0.5
    if rng.uniform() < 0.5:  # mirror left and right
        sign, shift = torch.tensor([-1.0, 1.0]), torch.tensor([float(SIDE), 0.0])
        images, points, partner_points = images.flip(-1), points * sign + shift, partner_points * sign + shift
    return images[:, torch.from_numpy(rng.permutation(3))], points, partner_points, visible, background
