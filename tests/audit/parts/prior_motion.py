"""What can be known of a clip's camera motion without looking at it, on the procedural worlds of both versions.

The motion is that of a transfer (`protocol=tps`): five target cameras relative to the middle context camera. Another
clip's true motion, the true cameras in another order, and the true first and last camera with constant speed between
are scored as if a method had transferred them.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from baselines.controls.warping import derangement
from evalkit.data.procedural.catalogue import Procedural
from evalkit.data.procedural.options import ProceduralOptions
from evalkit.data.procedural.rng import Rng
from evalkit.data.procedural.scenes.worlds import plan_sequence
from evalkit.geometry.interpolation import interpolate_motion
from evalkit.geometry.se3 import relative_to, vector_angle_deg
from evalkit.metrics.motion import baselines, long_baselines, rotation_span_deg
from evalkit.metrics.pose import AucMethod, joint_error, pose_auc, relative_pose_errors, relative_poses
from protocols.shared.transfer_plan import TransferPlanner
from protocols.tps.options import TpsOptions
from tests.audit.frame import Cell, Part, Rows

MOST_OF_ANOTHER_CLIP = {"rooms": 3.0, "orbits": 3.0, "turntable": 10.0}  # AUC@20 in percent
DIRECTION_ERROR_DEG = (75.0, 100.0)


def transferred_motions(options: ProceduralOptions) -> tuple[list[str], Tensor]:
    """Ids of all pairs of `tps`, and the motion of their first clips: w2c [N, 5, 4, 4] relative to the reference."""
    tps, rng_words = TpsOptions(), (options.world, options.split, options.seed)
    samples = TransferPlanner(tps, Procedural(options, "cpu"), 0).samples()
    motions = []
    for clip in (sample.clips[0] for sample in samples):
        rng = Rng(*rng_words, int(clip.sequence.rsplit("-", 1)[1]))
        plan = plan_sequence(options.world, rng, options.length, options.motion, options.version)
        w2c = torch.from_numpy(plan.w2c)
        motions.append(relative_to(w2c[list(clip.target)], w2c[clip.context[tps.context // 2]]))
    return [sample.id for sample in samples], torch.stack(motions)


def mean_scores(pred: Tensor, true: Tensor) -> tuple[float, float]:
    """AUC@20 signed in percent and direction error in degrees of motions [N, V, 4, 4], counted as `tps` does."""
    rotation, translation = relative_pose_errors(pred, true, signed=True)
    joint, is_long = joint_error(rotation, translation), long_baselines(true, TpsOptions().min_baseline)
    areas = [pose_auc(errors[counted], 20, AucMethod.EXACT) for errors, counted in zip(joint, is_long, strict=True)]
    means = [errors[counted].mean() for errors, counted in zip(translation, is_long, strict=True)]
    return 100 * float(torch.stack(areas).mean()), float(torch.stack(means).mean())


def at_constant_speed(w2c: Tensor) -> Tensor:
    """Motion [V, 4, 4] with the first and last camera of ``w2c`` [V, 4, 4] and equal steps on the geodesic between."""
    shares = torch.linspace(0, 1, len(w2c), dtype=torch.float64)
    return interpolate_motion(w2c[:1].expand_as(w2c), w2c[-1:].expand_as(w2c), shares)


def prior_motion(options: ProceduralOptions) -> dict[str, Any]:
    """One row of the table: how well motions are guessed that are not looked at, and how large they are."""
    ids, motions = transferred_motions(options)
    clip, other = (~torch.eye(len(ids), dtype=torch.bool)).nonzero().T
    another, direction_error_deg = mean_scores(motions[other], motions[clip])
    shuffled = torch.stack([true[derangement(len(true), name)] for name, true in zip(ids, motions, strict=True)])
    even = torch.stack([at_constant_speed(true) for true in motions])
    main = relative_poses(motions)[1].mean(1)
    cosine = vector_angle_deg(main[clip], main[other]).deg2rad().cos()
    return {
        "world": options.world,
        "version": options.version,
        "another clip": another,
        "shuffled order": mean_scores(shuffled, motions)[0],
        "constant speed": mean_scores(even, motions)[0],
        "direction error deg": direction_error_deg,
        "cosine > .5 %": float(100 * (cosine > 0.5).double().mean()),
        "cosine < -.5 %": float(100 * (cosine < -0.5).double().mean()),
        "baseline m": float(baselines(motions).amax(1).median()),
        "rotation deg": float(rotation_span_deg(motions).median()),
    }


def broken_bounds(row: dict[str, Any]) -> list[str]:
    """What of a row of version 2 breaks its bound, a line each."""
    world, another, error_deg = row["world"], row["another clip"], row["direction error deg"]
    lines = []
    if not another < MOST_OF_ANOTHER_CLIP[world]:
        lines.append(f"{world}: another clip's motion scores {another:.1f}, expected < {MOST_OF_ANOTHER_CLIP[world]}")
    if not DIRECTION_ERROR_DEG[0] <= error_deg <= DIRECTION_ERROR_DEG[1]:
        lines.append(f"{world}: directions of two clips differ by {error_deg:.1f} degrees, expected 75 to 100")
    return lines


def _cells() -> list[Cell]:
    return [{"world": world, "version": version} for world, version in product(MOST_OF_ANOTHER_CLIP, (1, 2))]


def _measure(cell: Cell) -> Rows:
    return [prior_motion(ProceduralOptions.model_validate(cell))]


def _broken(table: pd.DataFrame) -> list[str]:
    rows: list[dict[str, Any]] = table[table["version"] == 2].to_dict("records")
    return [line for row in rows for line in broken_bounds(row)]


PART = Part(
    name="prior_motion",
    title="Motion that nobody looked at: AUC@20 signed (%) on the pairs of tps, 64 sequences",
    code=("evalkit/data/procedural/scenes", "evalkit/metrics/pose.py", "evalkit/metrics/motion.py",
          "protocols/shared/transfer_plan.py", "protocols/shared/windows.py"),
    cells=_cells,
    measure=_measure,
    broken=_broken,
    view=lambda table: table.round(1).assign(**{"baseline m": table["baseline m"].round(2)}),
)  # fmt: skip
