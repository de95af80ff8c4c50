"""How well a trajectory agrees with the true one once their worlds are laid over each other: ATE and RPE.

A reconstruction from images knows neither its place, nor its orientation, nor its scale: the similarity that takes
the predicted camera centres to the true ones (`evalkit.geometry.alignment`) is applied first. Where the centres do not
determine one, there is no error to speak of, and DegenerateAlignment is raised. Computed in float64.
"""

from __future__ import annotations

from torch import Tensor

from evalkit.geometry.alignment import align_centres
from evalkit.geometry.se3 import camera_centres, invert, rotation_angle_deg


def extent(w2c: Tensor) -> Tensor:
    """Largest distance of two camera centres of a trajectory, [..., V, 4, 4] -> [...].

    >>> import torch
    >>> line = torch.eye(4).repeat(3, 1, 1)
    >>> line[:, 2, 3] = torch.tensor([0.0, 1.0, 4.0])
    >>> extent(line).item()
    4.0
    """
    centres = camera_centres(w2c.double())
    apart = centres[..., :, None, :] - centres[..., None, :, :]
    return apart.square().sum(-1).amax((-2, -1)).sqrt()


def ate(pred_w2c: Tensor, true_w2c: Tensor) -> Tensor:
    """Absolute trajectory error of two [..., V, 4, 4] -> [...], in the unit of ``true_w2c``.

    sqrt(mean_i |s R p_i + t - q_i|^2) of the centres p and q, with the similarity (s, R, t) that makes it least
    (Sturm et al., IROS 2012, after Umeyama). Raises DegenerateAlignment for fewer than three, coincident or collinear
    centres in either trajectory, ValueError for shapes that differ.
    """
    pred, true = camera_centres(pred_w2c.double()), camera_centres(true_w2c.double())
    aligned = align_centres(pred, true).apply(pred)
    return (aligned - true).square().sum(-1).mean(-1).sqrt()


def rpe(pred_w2c: Tensor, true_w2c: Tensor) -> tuple[Tensor, Tensor]:
    """Relative pose errors of consecutive frames, two [..., V, 4, 4] -> rotation in degrees, translation [..., V-1].

    With P and Q the motions from one camera to the next, Q^-1 P is the error: its angle, and the length |s p - q| of
    its translation in the unit of ``true_w2c``. Of the alignment only the scale s matters, for P and Q are seen from
    their own cameras. Raises as `ate`.
    """
    scale = align_centres(camera_centres(pred_w2c.double()), camera_centres(true_w2c.double())).scale
    pred, true = (w2c[..., :-1, :, :].double() @ invert(w2c[..., 1:, :, :].double()) for w2c in (pred_w2c, true_w2c))
    rotation_deg = rotation_angle_deg(true[..., :3, :3].mT @ pred[..., :3, :3])
    apart = scale[..., None, None] * pred[..., :3, 3] - true[..., :3, 3]
    return rotation_deg, apart.square().sum(-1).sqrt()
