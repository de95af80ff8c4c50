"""Views off the path: between the first and the last context camera, where no frame was taken, in known worlds.

Their places are drawn, so that nothing about the video's motion is given away, and no neighbour in time shows them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.data.dataset import KnownWorld
from evalkit.geometry.interpolation import interpolate_motion
from evalkit.method import PoseCode
from evalkit.protocol import Clip, Loaded
from evalkit.seeds import generator
from protocols.interpolation.options import Mode
from protocols.interpolation.paths import interpolate

MIDDLE = (0.1, 0.9)  # the part of the way from the first to the last camera in which views lie
KEPT_CLIPS = 16  # ray-cast clips


def fractions(seed: int, sample_id: str, count: int) -> Tensor:
    """How far [T] each view lies on the way from the first to the last context camera: one in each T-th of `MIDDLE`."""
    drawn = torch.from_numpy(generator(seed, "off path", sample_id).random(count))
    return MIDDLE[0] + (MIDDLE[1] - MIDDLE[0]) * (torch.arange(count) + drawn) / count


def between_ends(poses: PoseCode, context: int, share: Tensor) -> PoseCode:
    """The predicted poses [B, T] at ``share`` [B, T] of the way from the first to the last of ``context`` views."""
    ends = torch.tensor([[0, context - 1]], device=share.device).expand(len(share), -1)
    return interpolate(poses.take(ends), torch.zeros_like(share, dtype=torch.long), share, Mode.SE3)


class OffPath:
    """The true views off the path of recent clips, kept for the other methods of the same pass over the data."""

    def __init__(self, world: KnownWorld, seed: int) -> None:
        self.world, self.seed = world, seed
        self._kept: dict[tuple[str, Clip], Tensor] = {}

    def truth(self, loaded: Loaded) -> Tensor:
        """Images [T, 3, S, S], as many as the clip has targets, on the geodesic between the two true cameras."""
        key = (loaded.sample.id, loaded.sample.clips[0])
        if key not in self._kept:
            while len(self._kept) >= KEPT_CLIPS:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = self._cast(loaded)
        return self._kept[key]

    def _cast(self, loaded: Loaded) -> Tensor:
        clip, frames = loaded.sample.clips[0], loaded.frames[0]
        assert frames.cameras is not None
        w2c = frames.cameras.w2c
        share = fractions(self.seed, loaded.sample.id, len(clip.target)).to(w2c.device)
        first, last = (w2c[clip.context_positions[end]].double().expand(len(share), 4, 4) for end in (0, -1))
        between = interpolate_motion(first, last, share).to(w2c.dtype)
        return self.world.view(clip.sequence, between, frames.images.shape[-1]).images
