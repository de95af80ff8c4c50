"""Steering: rendering at the dataset's cameras in the world of a method that was not given them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evalkit.card import TargetPose
from evalkit.geometry.alignment import DegenerateAlignment, align_centres
from evalkit.geometry.se3 import camera_centres, relative_to
from evalkit.method import Method, PoseCode, reference_of
from evalkit.protocol import Loaded
from evalkit.views import Cameras, take_views
from protocols.object.pose_knowledge import has_own_cameras
from protocols.shared.target_poses import Batch, encode


def render_at_true_poses(batch: Sequence[Loaded], method: Method) -> tuple[Tensor, Tensor]:
    """Render the targets of the first clips at their true relative poses.

    A method that `has_own_cameras` is shown the context alone and steered to the targets. Another one is given the
    dataset's cameras as it takes them (`TargetPose.GIVEN`); the targets' pixels are hidden.

    Returns:
        Renders [B, T, 3, H, W], and whether there is a similarity to steer by [B].
    """
    clips = Batch.of(batch, method)
    views, has_similarity = clips.views.take(clips.context), torch.ones_like(clips.context[:, 0], dtype=torch.bool)
    if has_own_cameras(method.card):
        all_context = torch.arange(clips.context.shape[1], device=clips.context.device)
        poses = method.encode_poses(views, all_context.expand_as(clips.context))
        assert poses.cameras is not None
        w2c = torch.stack([_true_w2c(loaded) for loaded in batch])
        context, target = take_views(w2c, clips.context), take_views(w2c, clips.target)
        cameras, has_similarity = steer(poses.cameras, context, target)
        target_poses = PoseCode(cameras=cameras)
    else:
        poses, target_poses = encode(clips, method, TargetPose.GIVEN)
    return method.render(method.encode_scene(views, poses), target_poses), has_similarity


def steer(predicted: Cameras, context: Tensor, target: Tensor) -> tuple[Cameras, Tensor]:
    """Express true target cameras in the world and the unit of a method's predicted cameras.

    With r the reference view, w2c_t = (R, t / s) @ predicted_r where (R, t) = target_t @ inv(context_r): the two
    reference images coincide. s is the scale of the similarity that takes the predicted centres of the context to the
    true ones. Intrinsics are the predicted ones of the reference view, if there are any.

    Args:
        predicted: cameras of the context [B, C] that the method predicts.
        context: true w2c of the context [B, C, 4, 4].
        target: true w2c of the targets [B, T, 4, 4].

    Returns:
        Cameras [B, T], and whether there is a similarity [B]. Where there is none, because centres coincide, lie on a
        line or are not finite, the cameras are the identity.

    Source: UVRM, appendix A.
    """
    size, device = predicted.w2c.shape[:2], predicted.w2c.device
    reference = reference_of(torch.arange(size[1], device=device).expand(size))[:, None]
    own, true = predicted.w2c.double(), context.to(device).double()
    scales = [_scale(own_clip, true_clip) for own_clip, true_clip in zip(own, true, strict=True)]
    scale = torch.tensor(scales, dtype=torch.float64, device=device)
    has_similarity = scale.isfinite()
    relative = relative_to(target.to(device).double(), take_views(true, reference)[:, 0])
    relative[..., :3, 3] /= scale[:, None, None]
    intrinsics = predicted.intrinsics
    if intrinsics is not None:
        intrinsics = take_views(intrinsics, reference.expand(-1, target.shape[1]))
    steered = relative @ take_views(own, reference)
    w2c = torch.where(has_similarity[:, None, None, None], steered, torch.eye(4).to(own))
    return Cameras(w2c.to(predicted.w2c.dtype), intrinsics), has_similarity


def _scale(predicted: Tensor, true: Tensor) -> float:
    """The scale of the similarity from predicted to true centres of w2c [C, 4, 4]; NaN where there is none."""
    try:
        return float(align_centres(camera_centres(predicted), camera_centres(true)).scale)
    except DegenerateAlignment:
        return torch.nan


def _true_w2c(loaded: Loaded) -> Tensor:
    cameras = loaded.frames[0].cameras
    assert cameras is not None
    return cameras.w2c
