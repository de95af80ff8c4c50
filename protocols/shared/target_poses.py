"""Where the poses of rendered targets come from; it changes scores by decibels (docs/protocols/nvs.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from evalkit.card import Card, TargetPose
from evalkit.method import Method, PoseCode
from evalkit.protocol import Loaded
from evalkit.views import Views
from protocols.shared.summaries import positions_of

PREDICTED = (TargetPose.JOINT, TargetPose.CONTEXT_ONLY)


class Batch(NamedTuple):
    """Clips as a method sees them, with the positions of context [B, C] and targets [B, T] among the views."""

    views: Views
    context: Tensor
    target: Tensor

    @staticmethod
    def of(batch: Sequence[Loaded], method: Method, which: int = 0) -> Batch:
        """One clip of each sample, the first if not told otherwise, with what the method's card asks for."""
        clips = [loaded.sample.clips[which] for loaded in batch]
        frames = [loaded.frames[which] for loaded in batch]
        device = frames[0].images.device
        return Batch(
            Views.of(frames, [loaded.sample.id for loaded in batch], method.card.needs, device),
            positions_of([clip.context_positions for clip in clips], device),
            positions_of([clip.target_positions for clip in clips], device),
        )

    def context_alone(self) -> tuple[Views, Tensor]:
        """The context views [B, C] without the targets, and the positions 0..C-1 of all of them, [B, C]."""
        positions = torch.arange(self.context.shape[1], device=self.context.device).expand_as(self.context)
        return self.views.take(self.context), positions


class Encoded(NamedTuple):
    """Poses of the context [B, C], from which a scene is built, and of the targets [B, T], which are rendered."""

    context: PoseCode
    target: PoseCode


def encode(batch: Batch, method: Method, source: TargetPose) -> Encoded:
    """Encode poses from one source; for the two aligned sources, the poses from which the alignment starts."""
    if source is TargetPose.CONTEXT_ONLY:
        return _targets_one_by_one(batch, method)
    if source in (TargetPose.ALIGNED_SE3, TargetPose.ALIGNED_FREE):
        return encode(batch, method, _alignment_start(method.card, source))
    views = batch.views.hiding(batch.target) if source is TargetPose.GIVEN else batch.views
    poses = method.encode_poses(views, batch.context)
    return Encoded(poses.take(batch.context), poses.take(batch.target))


def _alignment_start(card: Card, source: TargetPose) -> TargetPose:
    """The source from which an alignment starts.

    NoPoSplat's starts from the given pose, that of SPFSplat and NAS3R from the predicted one. A method that has only
    the other starts from that.
    """
    given = [TargetPose.GIVEN] if TargetPose.GIVEN in card.target_poses else []
    predicted = [offered for offered in card.target_poses if offered in PREDICTED]
    first, second = (given, predicted) if source is TargetPose.ALIGNED_SE3 else (predicted, given)
    return [*first, *second, TargetPose.CONTEXT_ONLY][0]


def _targets_one_by_one(batch: Batch, method: Method) -> Encoded:
    """The context's poses from the context alone, each target's from the context and that target.

    One target at a time, as published code does: all at once would multiply the memory by their number.
    """
    context = method.encode_poses(*batch.context_alone())
    targets = [_one_target(batch, method, batch.target[:, t : t + 1]) for t in range(batch.target.shape[1])]
    return Encoded(context, PoseCode.cat(targets, dim=1))


def _one_target(batch: Batch, method: Method, target: Tensor) -> PoseCode:
    """The pose [B, 1] of the target at position ``target`` [B, 1], encoded with the context in temporal order."""
    views, order = torch.cat([batch.context, target], dim=1).sort(dim=1, stable=True)
    rank = order.argsort(dim=1)  # position of each view after sorting
    poses = method.encode_poses(batch.views.take(views), rank[:, :-1])
    return poses.take(rank[:, -1:])
