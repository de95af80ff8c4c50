"""What lies between two poses, and how far along it a true camera stands: the two modes of `interpolation`."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import torch
from torch import Tensor

from evalkit.geometry.interpolation import interpolate_motion, slerp
from evalkit.geometry.rotations import rotation_log
from evalkit.geometry.se3 import invert, rotation_angle_deg
from evalkit.method import PoseCode
from evalkit.metrics.trajectory import extent
from evalkit.views import Cameras, take_views

_STEPS = 33  # fractions tried at a time; every further round looks between the neighbours of the best
_ROUNDS = 5  # to 1e-6


class Mode(StrEnum):
    """The path from one camera to the next."""

    SE3 = "se3"  # the geodesic of rigid motions, a screw at constant speed
    SPHERE = "sphere"  # Slerp of the rotations; the camera stays on a sphere and looks at its middle (RayZer)


class Path(NamedTuple):
    """One mode.

    ``fraction(context, left, target)``: how far each true target [B, T, 4, 4] stands from context view ``left`` [B, T]
    to the next, in [0, 1]. ``between(context, left, fraction)``: predicted cameras there; all w2c, context
    [B, C, 4, 4] in temporal order.
    """

    fraction: Callable[[Tensor, Tensor, Tensor], Tensor]
    between: Callable[[Tensor, Tensor, Tensor], Tensor]


def interpolate(poses: PoseCode, left: Tensor, fraction: Tensor, mode: Mode) -> PoseCode:
    """Poses [B, T] at ``fraction`` [B, T] of the way from context view ``left`` to the next, of poses [B, C].

    Cameras follow the mode's path, computed in float64; a lens, and a latent, follow the straight line.
    """
    latent = None if poses.latent is None else _straight(poses.latent, left, fraction)
    if poses.cameras is None:
        return PoseCode(latent)
    w2c, lens = poses.cameras.w2c, poses.cameras.intrinsics
    moved = MODES[mode].between(w2c.double(), left, fraction).to(w2c.dtype)
    return PoseCode(latent, Cameras(moved, None if lens is None else _straight(lens, left, fraction)))


def nearest_on_geodesic(context: Tensor, left: Tensor, target: Tensor) -> Tensor:
    """The fraction in [0, 1] that is nearest to the target on the geodesic between its neighbours, to 1e-6.

    The squared distance of two cameras is that of their centres, over the extent of the context, plus that of their
    orientations in radians: no closed form, since the path is a screw.
    """
    start, end = _neighbours(context, left)
    wide = extent(context)[:, None, None]
    wide = torch.where(wide > 0, wide, 1.0)
    offsets = torch.linspace(-1, 1, _STEPS, dtype=context.dtype, device=context.device)
    best, reach = torch.full_like(start[..., 0, 0], 0.5), 0.5
    for _ in range(_ROUNDS):
        tried = (best[..., None] + reach * offsets).clamp(0, 1)
        first, last = (each[..., None, :, :].expand(*tried.shape, 4, 4) for each in (start, end))
        between = interpolate_motion(first, last, tried)
        chosen = _squared_distance(between, target[..., None, :, :], wide).argmin(-1, keepdim=True)
        best, reach = tried.gather(-1, chosen).squeeze(-1), 2 * reach / (_STEPS - 1)
    return best


def share_of_turn(context: Tensor, left: Tensor, target: Tensor) -> Tensor:
    """The share in [0, 1] of the turn from one neighbour to the next that the target has made.

    On a turntable all rotations share an axis, and this is the ratio of azimuths; otherwise only the part about the
    axis between the neighbours counts.
    """
    start, end = (each[..., :3, :3].mT for each in _neighbours(context, left))
    whole, part = rotation_log(start.mT @ end), rotation_log(start.mT @ target[..., :3, :3].mT)
    power = whole.square().sum(-1)
    return ((whole * part).sum(-1) / torch.where(power > 0, power, 1.0)).clamp(0, 1)


def _along_geodesic(context: Tensor, left: Tensor, fraction: Tensor) -> Tensor:
    return interpolate_motion(*_neighbours(context, left), fraction)


def _on_sphere(context: Tensor, left: Tensor, fraction: Tensor) -> Tensor:
    """Slerp of c2w rotations, then the place on the sphere from which such a camera looks at the middle."""
    start, end = (invert(each)[..., :3, :3] for each in _neighbours(context, left))
    rotation = slerp(start, end, fraction)
    middle, radius = _sphere(context)
    centre = middle[:, None] - radius[:, None, None] * rotation[..., 2]
    c2w = torch.eye(4, dtype=context.dtype, device=context.device).repeat(*fraction.shape, 1, 1)
    c2w[..., :3, :3], c2w[..., :3, 3] = rotation, centre
    return invert(c2w)


def _sphere(w2c: Tensor) -> tuple[Tensor, Tensor]:
    """Middle [B, 3] and radius [B] of the sphere on which cameras [B, C, 4, 4] stand and look at its middle.

    Least squares over all of them of |centre + radius * forward - middle|^2; radius 0 where all look the same way.
    """
    c2w = invert(w2c)
    centre, forward = c2w[..., :3, 3], c2w[..., :3, 2]
    spread, turned = (each - each.mean(1, keepdim=True) for each in (centre, forward))
    power = turned.square().sum((1, 2))
    radius = -(spread * turned).sum((1, 2)) / torch.where(power > 0, power, 1.0)
    return centre.mean(1) + radius[:, None] * forward.mean(1), radius


def _neighbours(w2c: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    return take_views(w2c, left), take_views(w2c, left + 1)


def _straight(values: Tensor, left: Tensor, fraction: Tensor) -> Tensor:
    start, end = (take_views(each, at) for each, at in ((values, left), (values, left + 1)))
    weight = fraction.view(*fraction.shape, *[1] * (values.ndim - 2)).to(start.device)
    mixed = (1 - weight) * start + weight * end
    return mixed.to(values.dtype) if values.is_floating_point() else mixed


def _squared_distance(a: Tensor, b: Tensor, wide: Tensor) -> Tensor:
    """Of cameras [..., 4, 4]: centres over ``wide``, and angles."""
    centres = (invert(a)[..., :3, 3] - invert(b)[..., :3, 3]).square().sum(-1) / wide**2
    return centres + torch.deg2rad(rotation_angle_deg(a[..., :3, :3] @ b[..., :3, :3].mT)).square()


MODES = {
    Mode.SE3: Path(nearest_on_geodesic, _along_geodesic),
    Mode.SPHERE: Path(share_of_turn, _on_sphere),
}
