"""Where the poses of rendered targets come from: the axis that changes scores by decibels (docs/protocols/nvs.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from evalkit.card import Card, TargetPose
from evalkit.method import Method, PoseCode
from evalkit.protocol import Loaded
from evalkit.views import Cameras, Views
from protocols.shared.summaries import positions_of

PREDICTED = (TargetPose.JOINT, TargetPose.CONTEXT_ONLY)


class Batch(NamedTuple):
    """Clips as a method sees them, with the positions of context [B, C] and targets [B, T] among the views."""

    views: Views
    context: Tensor
    target: Tensor

    @staticmethod
    def of(batch: Sequence[Loaded], method: Method) -> Batch:
        """The first clip of each sample, with what the method's card asks for."""
        clips = [loaded.sample.clips[0] for loaded in batch]
        frames = [loaded.frames[0] for loaded in batch]
        device = frames[0].images.device
        return Batch(
            Views.of(frames, [loaded.sample.id for loaded in batch], method.card.needs, device),
            positions_of([clip.context_positions for clip in clips], device),
            positions_of([clip.target_positions for clip in clips], device),
        )


class Encoded(NamedTuple):
    """Poses of the context [B, C], from which a scene is built, and of the targets [B, T], at which it is seen."""

    context: PoseCode
    target: PoseCode


def encode(batch: Batch, method: Method, source: TargetPose) -> Encoded:
    """Encode poses from one source; for the aligned ones those that alignment starts from."""
    if source is TargetPose.CONTEXT_ONLY:
        return _each_target_alone(batch, method)
    if source in (TargetPose.ALIGNED_SE3, TargetPose.ALIGNED_FREE):
        return encode(batch, method, _start(method.card, source))
    views = batch.views.hiding(batch.target) if source is TargetPose.GIVEN else batch.views
    poses = method.encode_poses(views, batch.context)
    return Encoded(poses.take(batch.context), poses.take(batch.target))


def _start(card: Card, source: TargetPose) -> TargetPose:
    """NoPoSplat's alignment starts from the given pose, that of SPFSplat and NAS3R from the predicted one.

    A method that has only the other starts from that.
    """
    given = [TargetPose.GIVEN] if TargetPose.GIVEN in card.target_poses else []
    predicted = [each for each in card.target_poses if each in PREDICTED]
    first, second = (given, predicted) if source is TargetPose.ALIGNED_SE3 else (predicted, given)
    return [*first, *second, TargetPose.CONTEXT_ONLY][0]


def _each_target_alone(batch: Batch, method: Method) -> Encoded:
    """The context's poses from the context alone, each target's from the context and that target.

    One target at a time, as published code does: all at once would multiply the memory by their number.
    """
    context = batch.views.take(batch.context)
    everything = torch.arange(batch.context.shape[1], device=batch.context.device).expand_as(batch.context)
    alone = [_one_target(batch, method, batch.target[:, t : t + 1]) for t in range(batch.target.shape[1])]
    return Encoded(method.encode_poses(context, everything), _joined(alone))


def _one_target(batch: Batch, method: Method, target: Tensor) -> PoseCode:
    """The pose [B, 1] of one target, encoded with the context in temporal order."""
    together, order = torch.cat([batch.context, target], dim=1).sort(dim=1, stable=True)
    place = order.argsort(dim=1)  # where each view went
    poses = method.encode_poses(batch.views.take(together), place[:, :-1])
    return poses.take(place[:, -1:])


def _joined(codes: Sequence[PoseCode]) -> PoseCode:
    """Pose codes [B, 1] of several targets as one [B, T]."""
    latents = [code.latent for code in codes if code.latent is not None]
    cameras = [code.cameras for code in codes if code.cameras is not None]
    lenses = [each.intrinsics for each in cameras if each.intrinsics is not None]
    return PoseCode(
        torch.cat(latents, dim=1) if latents else None,
        Cameras(torch.cat([each.w2c for each in cameras], dim=1), torch.cat(lenses, dim=1) if lenses else None)
        if cameras
        else None,
    )
