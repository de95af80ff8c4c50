"""Paths between two cameras: where a true camera lies along one, and the predicted camera there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from evalkit.geometry.interpolation import interpolate_motion, slerp
from evalkit.geometry.rotations import rotation_log
from evalkit.geometry.se3 import camera_centres, invert, rotation_angle_deg
from evalkit.method import PoseCode
from evalkit.metrics.trajectory import extent
from evalkit.views import Cameras, take_views
from protocols.interpolation.options import Mode

_FRACTIONS_A_ROUND = 33  # each further round tries fractions between the neighbours of the best one
_ROUNDS = 5  # to 1e-6


class Path(NamedTuple):
    """The two halves of one mode. All cameras are w2c, context cameras [B, C, 4, 4] in temporal order.

    Args:
        fraction: ``(context, left, target)`` -> how far true targets [B, T, 4, 4] lie on the way from context view
            ``left`` [B, T] to the next one, in [0, 1].
        between: ``(context, left, fraction)`` -> cameras [B, T, 4, 4] at these fractions.
    """

    fraction: Callable[[Tensor, Tensor, Tensor], Tensor]
    between: Callable[[Tensor, Tensor, Tensor], Tensor]


def interpolate(poses: PoseCode, left: Tensor, fraction: Tensor, mode: Mode) -> PoseCode:
    """Interpolate poses of context views.

    Cameras follow the mode's path, computed in float64. Intrinsics and latents follow the straight line.

    Args:
        poses: of the context [B, C], in temporal order.
        left: rank [B, T] of the context view before each target.
        fraction: how far [B, T] each target lies on the way to the next context view, in [0, 1].
        mode: the path of cameras.

    Returns:
        Poses [B, T], without features.
    """
    latent = None if poses.latent is None else _on_straight_line(poses.latent, left, fraction)
    if poses.cameras is None:
        return PoseCode(latent)
    w2c, intrinsics = poses.cameras.w2c, poses.cameras.intrinsics
    interpolated_w2c = PATHS[mode].between(w2c.double(), left, fraction).to(w2c.dtype)
    interpolated_intrinsics = None if intrinsics is None else _on_straight_line(intrinsics, left, fraction)
    return PoseCode(latent, Cameras(interpolated_w2c, interpolated_intrinsics))


def nearest_on_geodesic(context: Tensor, left: Tensor, target: Tensor) -> Tensor:
    """The fraction in [0, 1] at which the geodesic between the target's neighbours is nearest to it, to 1e-6.

    The squared distance of two cameras is that of their centres, divided by the squared extent of the context, plus
    the squared angle between them in radians. There is no closed form, since the path is a screw: the fraction is
    searched on ever finer grids.
    """
    start, end = _neighbours(context, left)
    context_extent = extent(context)[:, None, None]
    context_extent = torch.where(context_extent > 0, context_extent, 1.0)
    offsets = torch.linspace(-1, 1, _FRACTIONS_A_ROUND, dtype=context.dtype, device=context.device)
    best, half_range = torch.full_like(start[..., 0, 0], 0.5), 0.5
    for _ in range(_ROUNDS):
        fractions = (best[..., None] + half_range * offsets).clamp(0, 1)
        starts, ends = (w2c[..., None, :, :].expand(*fractions.shape, 4, 4) for w2c in (start, end))
        between = interpolate_motion(starts, ends, fractions)
        nearest = _squared_distance(between, target[..., None, :, :], context_extent).argmin(-1, keepdim=True)
        best, half_range = fractions.gather(-1, nearest).squeeze(-1), 2 * half_range / (_FRACTIONS_A_ROUND - 1)
    return best


def share_of_rotation(context: Tensor, left: Tensor, target: Tensor) -> Tensor:
    """The share in [0, 1] of the rotation from one neighbour to the next that the target has completed.

    On a turntable all rotations have one axis, and this is the ratio of azimuths. Elsewhere only the part about the
    axis of the rotation between the neighbours counts.
    """
    start, end = (w2c[..., :3, :3].mT for w2c in _neighbours(context, left))
    whole, part = rotation_log(start.mT @ end), rotation_log(start.mT @ target[..., :3, :3].mT)
    power = whole.square().sum(-1)
    return ((whole * part).sum(-1) / torch.where(power > 0, power, 1.0)).clamp(0, 1)


def _along_geodesic(context: Tensor, left: Tensor, fraction: Tensor) -> Tensor:
    return interpolate_motion(*_neighbours(context, left), fraction)


def _on_sphere(context: Tensor, left: Tensor, fraction: Tensor) -> Tensor:
    """Slerp of c2w rotations, with the camera where it looks at the sphere's centre with that rotation."""
    start, end = (invert(w2c)[..., :3, :3] for w2c in _neighbours(context, left))
    rotation = slerp(start, end, fraction)
    sphere_centre, radius = _fit_sphere(context)
    camera_centre = sphere_centre[:, None] - radius[:, None, None] * rotation[..., 2]
    c2w = torch.eye(4, dtype=context.dtype, device=context.device).repeat(*fraction.shape, 1, 1)
    c2w[..., :3, :3], c2w[..., :3, 3] = rotation, camera_centre
    return invert(c2w)


def _fit_sphere(w2c: Tensor) -> tuple[Tensor, Tensor]:
    """Centre [B, 3] and radius [B] of the sphere on which cameras [B, C, 4, 4] lie and look at its centre.

    Least squares of |camera centre + radius * forward - sphere centre|^2; radius 0 where all look in one direction.
    """
    c2w = invert(w2c)
    centre, forward = c2w[..., :3, 3], c2w[..., :3, 2]
    centre_offsets, forward_offsets = (vectors - vectors.mean(1, keepdim=True) for vectors in (centre, forward))
    power = forward_offsets.square().sum((1, 2))
    radius = -(centre_offsets * forward_offsets).sum((1, 2)) / torch.where(power > 0, power, 1.0)
    return centre.mean(1) + radius[:, None] * forward.mean(1), radius


def _neighbours(w2c: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    return take_views(w2c, left), take_views(w2c, left + 1)


def _on_straight_line(values: Tensor, left: Tensor, fraction: Tensor) -> Tensor:
    start, end = take_views(values, left), take_views(values, left + 1)
    weight = fraction.view(*fraction.shape, *[1] * (values.ndim - 2)).to(start.device)
    mixed = (1 - weight) * start + weight * end
    return mixed.to(values.dtype) if values.is_floating_point() else mixed


def _squared_distance(a: Tensor, b: Tensor, context_extent: Tensor) -> Tensor:
    """Of cameras [..., 4, 4]: of centres in units of ``context_extent``, plus of angles in radians."""
    centres = (camera_centres(a) - camera_centres(b)).square().sum(-1) / context_extent**2
    return centres + torch.deg2rad(rotation_angle_deg(a[..., :3, :3] @ b[..., :3, :3].mT)).square()


PATHS = {
    Mode.SE3: Path(nearest_on_geodesic, _along_geodesic),
    Mode.SPHERE: Path(share_of_rotation, _on_sphere),
}
