"""A transfer: poses of clip A rendered in the scene of clip B."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from evalkit.geometry.se3 import relative_to
from evalkit.method import Method, reference_of
from evalkit.protocol import Clip, Loaded
from evalkit.views import Frames, Views
from protocols.shared.half_blind import half_blind
from protocols.shared.summaries import positions_of
from protocols.shared.target_poses import Batch


class Pair(NamedTuple):
    """Clip A, which gives the poses, and clip B, which gives the scene."""

    a: Frames
    b: Frames
    clip_a: Clip
    clip_b: Clip

    @staticmethod
    def of(loaded: Loaded) -> Pair:
        """The first two clips of a sample."""
        (a, b), (clip_a, clip_b) = loaded.frames[:2], loaded.sample.clips[:2]
        return Pair(a, b, clip_a, clip_b)

    @property
    def targets(self) -> Frames:
        """A's target frames, whose poses are rendered."""
        return self.a.take(self.clip_a.target_positions)

    @property
    def context(self) -> Frames:
        """B's context frames, all that a method sees of the scene."""
        return self.b.take(self.clip_b.context_positions)

    def motion(self) -> Tensor:
        """A's true target cameras [T, 4, 4] relative to A's reference camera."""
        assert self.a.cameras is not None
        reference = int(reference_of(torch.tensor([self.clip_a.context_positions])))
        return relative_to(self.a.cameras.w2c[list(self.clip_a.target_positions)], self.a.cameras.w2c[reference])


def render_transfer(batch: Sequence[Loaded], method: Method, is_half_blind: bool = False) -> Tensor:
    """Render B at A's target poses, [B, T, 3, H, W].

    A's poses are encoded from all of A, or with the right halves of its targets hidden (`half_blind`); B's scene from
    B's context alone. Only a PoseCode passes from A to B.
    """
    pairs = [Pair.of(loaded) for loaded in batch]
    ids = [loaded.sample.id for loaded in batch]
    device = pairs[0].a.images.device
    context_a = positions_of([pair.clip_a.context_positions for pair in pairs], device)
    target_a = positions_of([pair.clip_a.target_positions for pair in pairs], device)
    views_a = Views.of([pair.a for pair in pairs], ids, method.card.needs, device)
    if is_half_blind:
        views_a = half_blind(Batch(views_a, context_a, target_a)).views
    views_b = Views.of([pair.context for pair in pairs], ids, method.card.needs, device)
    poses_a = method.encode_poses(views_a, context_a).take(target_a).carried()
    all_of_b = torch.arange(views_b.images.shape[1], device=device).expand(len(batch), -1)
    scene = method.encode_scene(views_b, method.encode_poses(views_b, all_of_b))
    return method.render(scene, poses_a)
