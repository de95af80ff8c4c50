"""How far two answers of a method differ: numbers [B] by the part of the answer."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evalkit.geometry.se3 import relative_to
from evalkit.method import PoseCode

Numbers = dict[str, Tensor]

ROTATION_DEG = "rotation_deg"
RENDER_MAX, RENDER_MEAN = "render_max", "render_mean"
TINY = 1e-12  # in place of a length of 0, which nothing can be divided by


def pose_change(a: PoseCode, b: PoseCode, *, free_gauge: bool = False) -> Numbers:
    """How far poses ``b`` [B, C] differ from ``a``, for each part that both have.

    Args:
        a, b: poses of the same views.
        free_gauge: compare cameras relative to their middle view, and translations up to one scale a clip.

    Returns:
        Relative changes |a - b| / |a| of latents, translations and intrinsics; the largest angle of rotations in
        degrees, 2 asin(|Ra - Rb| / (2 sqrt 2)), which is not 0 for different matrices that are no rotations.
    """
    change: Numbers = {}
    if a.latent is not None and b.latent is not None:
        change["latent"] = relative_change(a.latent, b.latent)
    if a.cameras is None or b.cameras is None:
        return change
    w2c_a, w2c_b = a.cameras.w2c.double(), b.cameras.w2c.double()
    if free_gauge:
        middle = w2c_a.shape[1] // 2
        w2c_a, w2c_b = (relative_to(w2c, w2c[:, middle]) for w2c in (w2c_a, w2c_b))
    chord = (w2c_a - w2c_b)[..., :3, :3].flatten(-2).norm(dim=-1).amax(1)
    change[ROTATION_DEG] = torch.rad2deg(2 * torch.asin((chord / math.sqrt(8)).clamp_max(1)))
    translation_a, translation_b = w2c_a[..., :3, 3], w2c_b[..., :3, 3]
    if free_gauge:
        power = translation_b.square().sum((1, 2)).clamp_min(TINY**2)
        scale = (translation_a * translation_b).sum((1, 2)) / power
        translation_b = scale.clamp_min(0)[:, None, None] * translation_b
    change["translation"] = relative_change(translation_a, translation_b)
    if a.cameras.intrinsics is not None and b.cameras.intrinsics is not None:
        change["intrinsics"] = relative_change(a.cameras.intrinsics, b.cameras.intrinsics)
    return change


def relative_change(a: Tensor, b: Tensor) -> Tensor:
    """|a - b| / |a| of [B, ...] -> [B].

    >>> relative_change(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([[3.0, 4.5], [0.0, 0.0]])).tolist()
    [0.1, 0.0]
    """
    a, b = a.double().flatten(1), b.double().flatten(1)
    change: Tensor = (a - b).norm(dim=1) / a.norm(dim=1).clamp_min(TINY)
    return change


def image_change(a: Tensor, b: Tensor) -> Numbers:
    """The largest and the mean absolute change of a pixel of images [B, K, 3, H, W]."""
    change = (a.double() - b.double()).abs().flatten(1)
    return {RENDER_MAX: change.amax(1), RENDER_MEAN: change.mean(1)}


def of_check(check: str, parts: Numbers, leave_out: str = "") -> Numbers:
    """Name the parts ``check.part``, and add the check's own number: the largest part, angles in radians.

    ``leave_out``: a part that does not count in the check's own number.
    """
    counted = [
        torch.deg2rad(values) if part == ROTATION_DEG else values for part, values in parts.items() if part != leave_out
    ]
    largest = {check: torch.stack(counted).amax(0)} if counted else {}
    return largest | {f"{check}.{part}": values for part, values in parts.items()}
