"""What `tps` says of one pair of clips beside the pose accuracies: how much A moves, and which scene renders show."""

from __future__ import annotations

import math

import torch

from evalkit.metrics.motion import baselines, long_baselines, rotation_span_deg
from evalkit.metrics.pose import relative_poses
from evalkit.oracles.oracle import Estimate
from evalkit.protocol import Value
from evalkit.views import Frames
from protocols.shared.skill_names import OWN_ERROR
from protocols.shared.trajectories import trajectory_errors
from protocols.tps.columns import AMPLITUDE, BASELINE, ROTATION_SPAN


def motion_row(targets: Frames, real: Estimate) -> dict[str, Value]:
    """How much A's camera moves: by the true cameras, else by the oracle, which knows no unit of length.

    ``baseline`` is the largest distance of two target cameras, over the median depth where depth is known.
    """
    if targets.cameras is None:
        return {ROTATION_SPAN: float(rotation_span_deg(real.w2c)), BASELINE: math.nan}
    w2c = targets.cameras.w2c[None].cpu()
    depth = 1.0 if targets.depth is None else float(targets.depth[targets.depth.isfinite()].median())
    return {ROTATION_SPAN: float(rotation_span_deg(w2c)), BASELINE: float(baselines(w2c).max()) / depth}


def skill_row(real: Estimate, render: Estimate, min_baseline: float) -> dict[str, Value]:
    """The error of the render against its own clip A in degrees: 90 where the oracle could not read the render."""
    own = torch.zeros(1, 1, dtype=torch.long)
    return {OWN_ERROR: float(trajectory_errors(render.w2c, real.w2c, own, min_baseline).degrees)}


def amplitude_row(targets: Frames, real: Estimate, render: Estimate, min_baseline: float) -> dict[str, Value]:
    """How much of A's way the render goes, for an oracle whose answers have the unit of the world.

    The median of p . t / t . t over the long pairs of views, with p the relative translations of the render and t those
    of A: one frame of five that the oracle put in a wrong place spoils four of ten pairs, and changes little. A's
    cameras are the true ones, where they are known.
    """
    w2c = real.w2c if targets.cameras is None else targets.cameras.w2c[None].cpu()
    moved, way = relative_poses(render.w2c)[1], relative_poses(w2c)[1]
    parts = ((moved * way).sum(-1) / way.square().sum(-1))[long_baselines(w2c, min_baseline)]
    return {AMPLITUDE: float(parts.quantile(0.5)) if len(parts) else math.nan}
