"""Trajectory errors after alignment with the true trajectory: ATE and RPE.

A reconstruction from images has an arbitrary position, orientation and scale. So the similarity that maps the predicted
camera centres to the true ones (`evalkit.geometry.alignment`) is applied first. Where the centres do not determine one,
DegenerateAlignment is raised. Computed in float64.
"""

from __future__ import annotations

from torch import Tensor

from evalkit.geometry.alignment import align_centres
from evalkit.geometry.se3 import camera_centres, invert, rotation_angle_deg


def extent(w2c: Tensor) -> Tensor:
    """Return the largest distance between two camera centres of a trajectory, [..., V, 4, 4] -> [...].

    >>> import torch
    >>> line = torch.eye(4).repeat(3, 1, 1)
    >>> line[:, 2, 3] = torch.tensor([0.0, 1.0, 4.0])
    >>> extent(line).item()
    4.0
    """
    centres = camera_centres(w2c.double())
    baselines = centres[..., :, None, :] - centres[..., None, :, :]
    return baselines.square().sum(-1).amax((-2, -1)).sqrt()


def ate(pred_w2c: Tensor, true_w2c: Tensor) -> Tensor:
    """Return the absolute trajectory error -> [...], in the unit of ``true_w2c``.

    sqrt(mean_i |s R p_i + t - q_i|^2) of the predicted and true centres p and q, with the similarity (s, R, t) that
    minimises it.

    Args:
        pred_w2c, true_w2c: [..., V, 4, 4].

    Raises:
        DegenerateAlignment: for fewer than three, coincident or collinear centres in either trajectory.
        ValueError: for shapes that differ.

    Source: Sturm et al., IROS 2012; Umeyama, PAMI 1991.
    """
    pred, true = camera_centres(pred_w2c.double()), camera_centres(true_w2c.double())
    aligned = align_centres(pred, true).apply(pred)
    return (aligned - true).square().sum(-1).mean(-1).sqrt()


def rpe(pred_w2c: Tensor, true_w2c: Tensor) -> tuple[Tensor, Tensor]:
    """Return the relative pose errors of consecutive frames: rotations in degrees, translations; both [..., V-1].

    With P and Q the predicted and true motions from one camera to the next, the error is Q^-1 P: its angle, and the
    length |s p - q| of its translation in the unit of ``true_w2c``. Of the alignment only the scale s is used, because
    P and Q are relative to cameras. Arguments and errors raised as in `ate`.
    """
    scale = align_centres(camera_centres(pred_w2c.double()), camera_centres(true_w2c.double())).scale
    pred, true = (w2c[..., :-1, :, :].double() @ invert(w2c[..., 1:, :, :].double()) for w2c in (pred_w2c, true_w2c))
    rotation_deg = rotation_angle_deg(true[..., :3, :3].mT @ pred[..., :3, :3])
    difference = scale[..., None, None] * pred[..., :3, 3] - true[..., :3, 3]
    return rotation_deg, difference.square().sum(-1).sqrt()
