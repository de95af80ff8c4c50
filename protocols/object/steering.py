"""Steering: rendering where the dataset's cameras stand, in the world of a method that was never shown one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evalkit.card import Card, Need, PoseKind, TargetPose
from evalkit.geometry.alignment import DegenerateAlignment, align_centres
from evalkit.geometry.se3 import invert, relative_to
from evalkit.method import Method, PoseCode, reference_of
from evalkit.protocol import Loaded
from evalkit.views import Cameras, take_views
from protocols.shared.target_poses import Batch, encode


def is_steered(card: Card) -> bool:
    """Whether a method has cameras of its own making: explicit ones, and not those of the dataset handed through."""
    takes_theirs = Need.CAMERAS in card.needs and TargetPose.GIVEN in card.target_poses
    return card.pose is not PoseKind.LATENT and not takes_theirs


def is_handed(card: Card) -> bool:
    """Whether a method is told where the dataset's views stand, by cameras or by time, and needs not find out."""
    return not is_steered(card) and not card.needs.isdisjoint({Need.CAMERAS, Need.FRAME_NUMBERS})


def render_at_truth(batch: Sequence[Loaded], method: Method) -> tuple[Tensor, Tensor]:
    """Targets [B, T, 3, H, W] of the first clips at their true relative poses, and whether that made sense [B].

    A method that `is_steered` sees the context alone and is steered to the targets; another is given the dataset's
    cameras as it takes them (`TargetPose.GIVEN`), with the targets' pixels hidden.
    """
    seen = Batch.of(batch, method)
    views, known = seen.views.take(seen.context), torch.ones_like(seen.context[:, 0], dtype=torch.bool)
    if is_steered(method.card):
        everything = torch.arange(seen.context.shape[1], device=seen.context.device)
        poses = method.encode_poses(views, everything.expand_as(seen.context))
        assert poses.cameras is not None
        w2c = torch.stack([_true_w2c(one) for one in batch])
        cameras, known = steered(poses.cameras, *(take_views(w2c, each) for each in (seen.context, seen.target)))
        target = PoseCode(cameras=cameras)
    else:
        poses, target = encode(seen, method, TargetPose.GIVEN)
    return method.render(method.encode_scene(views, poses), target), known


def steered(predicted: Cameras, context: Tensor, target: Tensor) -> tuple[Cameras, Tensor]:
    """Cameras [B, T] of true targets in the world and the unit of a method's ``predicted`` context cameras [B, C].

    With the true w2c of ``context`` [B, C, 4, 4] and ``target`` [B, T, 4, 4], and r the reference view,
    w2c_t = (R, t / s) @ predicted_r where (R, t) = target_t @ inv(context_r): the reference images are put on each
    other (UVRM, appendix A). s is the scale of the similarity that takes the predicted centres of the context to the
    true ones. The lens is the predicted one of the reference view, if there is one. Returns also [B] bool: False, and
    the identity for cameras, where no similarity can be told (centres that coincide, lie on a line or are not finite).
    """
    size, device = predicted.w2c.shape[:2], predicted.w2c.device
    middle = reference_of(torch.arange(size[1], device=device).expand(size))[:, None]
    own, true = predicted.w2c.double(), context.to(device).double()
    scale = torch.tensor([_scale(*pair) for pair in zip(own, true, strict=True)], dtype=torch.float64, device=device)
    known = scale.isfinite()
    relative = relative_to(target.to(device).double(), take_views(true, middle)[:, 0])
    relative[..., :3, 3] /= scale[:, None, None]
    lens = predicted.intrinsics
    if lens is not None:
        lens = take_views(lens, middle.expand(-1, target.shape[1]))
    w2c = torch.where(known[:, None, None, None], relative @ take_views(own, middle), torch.eye(4).to(own))
    return Cameras(w2c.to(predicted.w2c.dtype), lens), known


def _scale(predicted: Tensor, true: Tensor) -> float:
    """Length of the unit of predicted w2c [C, 4, 4] in that of the true ones; NaN where nothing determines it."""
    try:
        return float(align_centres(_centres(predicted), _centres(true)).scale)
    except DegenerateAlignment:
        return torch.nan


def _centres(w2c: Tensor) -> Tensor:
    return invert(w2c)[..., :3, 3]


def _true_w2c(loaded: Loaded) -> Tensor:
    cameras = loaded.frames[0].cameras
    assert cameras is not None
    return cameras.w2c
