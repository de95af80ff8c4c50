"""Between two poses: slerp of rotations and the geodesic of rigid motions, both at constant speed."""

from __future__ import annotations

from torch import Tensor

from evalkit.geometry.rotations import rotation_exp, rotation_log
from evalkit.geometry.se3 import invert, motion_exp, motion_log


def slerp(start: Tensor, end: Tensor, fraction: Tensor) -> Tensor:
    """Rotate from ``start`` to ``end`` by a fraction of the angle between them, the short way.

    Args:
        start, end: rotations [..., 3, 3].
        fraction: [...], 0 at ``start``, 1 at ``end``.
    """
    step = rotation_log(start.mT @ end)
    return start @ rotation_exp(fraction[..., None] * step)


def interpolate_motion(start: Tensor, end: Tensor, fraction: Tensor) -> Tensor:
    """Interpolate rigid motions along the geodesic: start @ exp(fraction log(start^-1 end)).

    This is a screw at constant linear and angular speed. It is the same path for w2c and c2w matrices and in every
    world frame.

    Args:
        start, end: rigid motions [..., 4, 4].
        fraction: [...], 0 at ``start``, 1 at ``end``; values outside [0, 1] extrapolate.
    """
    return start @ motion_exp(fraction[..., None] * motion_log(invert(start) @ end))
