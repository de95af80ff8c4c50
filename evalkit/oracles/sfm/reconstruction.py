"""Structure from motion on one short clip: SIFT, matching and growth by pycolmap, then the adjustment of `bundle`.

Only worker processes run this (see `colmap_worker`). Everything runs on one thread with fixed seeds.
"""

from __future__ import annotations

import numpy as np

from evalkit.oracles.sfm.bundle import (
    Bundle,
    Observations,
    RobustLoss,
    adjust,
    parallax_deg,
    relative_to_middle,
    residuals,
    triangulated,
)
from evalkit.oracles.sfm.growth import grow_model
from evalkit.oracles.sfm.rotations import Array
from evalkit.oracles.sfm.settings import SIFT, ColmapSettings, Failure, FocalSettings, Tolerances
from evalkit.oracles.sfm.stability import cheapest_first, distinct, refuse_rivals
from evalkit.oracles.sfm.starts import starts
from evalkit.oracles.sfm.two_view import match_frames, refuse_static, verify_matches

TRIAL_POINTS = 120
TRIAL_STEPS = (5, 4, 60)  # steps of every clip, further steps per frame, most steps: long clips converge slowly
FINAL_STEPS = 60
FOCAL_RATIOS = (0.7, 1.0, 1.5)  # starts, in units of the prior focal length
MIN_PARALLAX_DEG = 0.3  # median over the points
MIN_INLIERS = 0.5  # share of the observations


def reconstruct(frames: Array, settings: ColmapSettings) -> Array:
    """Estimate w2c [V, 4, 4] of frames [V, 3, H, W] uint8, relative to the first, widest baseline 1.

    Raises Failure with a reason.
    """
    height, width = frames.shape[2:]
    keypoints, matches = match_frames(frames, settings)
    refuse_static(keypoints, matches)
    graph = verify_matches(keypoints, matches, width, height, settings, SIFT)
    state, data = grow_model(keypoints, graph, width, height, settings, SIFT)
    solutions = refine(state, data, width, settings, SIFT)
    refuse_implausible(solutions.take([0]), data, width, settings, SIFT)
    if settings.refuse_unstable:
        refuse_rivals(solutions, data, robust_loss(SIFT.noise, width, settings))
    return normalised(solutions.w2c[0])


def robust_loss(scale: float, width: int, settings: FocalSettings) -> RobustLoss:
    """The loss at ``scale`` pixels, with the prior of the focal length."""
    return RobustLoss(scale, settings.focal_prior * width, settings.focal_spread)


def refine(state: Bundle, data: Observations, width: int, settings: FocalSettings, px: Tolerances) -> Bundle:
    """Adjust several starts on the points visible in most frames, then the distinct ends of those with all points.

    Returns solutions that differ, the cheapest first.
    """
    loss = robust_loss(px.noise, width, settings)
    longest = np.argsort(-data.visible.sum(1), kind="stable")[:TRIAL_POINTS]
    trial_data = data.take(longest)
    trial = Bundle(state.w2c, state.points[:, longest], state.focal)
    base, per_frame, limit = TRIAL_STEPS
    steps = min(base + per_frame * data.visible.shape[1], limit)
    ends = adjust(starts(relative_to_middle(trial), FOCAL_RATIOS), trial_data, loss, steps, 1e-3)
    return cheapest_first(adjust(triangulated(ends.take(distinct(ends)), data), data, loss, FINAL_STEPS))


def refuse_implausible(state: Bundle, data: Observations, width: int, settings: FocalSettings, px: Tolerances) -> None:
    """Raise Failure where the focal length, the parallax or the residuals say that the cameras are wrong."""
    focal = float(state.focal[0]) / width
    if not settings.focal_min <= focal <= settings.focal_max:
        raise Failure(f"degenerate focal ({focal:.2f} widths)")
    parallax = float(np.median(parallax_deg(state, data)))
    if parallax < MIN_PARALLAX_DEG:
        raise Failure(f"too little parallax ({parallax:.2f} degrees)")
    error_px = np.linalg.norm(residuals(state, data)[0], axis=-1)[data.visible]
    inliers = float((error_px < px.inlier).mean())
    if inliers < MIN_INLIERS:
        raise Failure(f"only {100 * inliers:.0f} % of the matches fit")


def normalised(w2c: Array) -> Array:
    """Cameras [V, 4, 4] relative to the first, scaled so that the widest baseline is 1."""
    first = w2c[0]
    relative = w2c @ np.linalg.inv(first)
    relative[0] = np.eye(4)
    centres = -np.einsum("vji,vj->vi", relative[:, :3, :3], relative[:, :3, 3])
    relative[:, :3, 3] /= np.linalg.norm(centres[:, None] - centres, axis=-1).max()
    return relative
