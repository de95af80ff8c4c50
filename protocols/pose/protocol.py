"""How accurate the explicit cameras of a method are: `pose@2`, and as three papers count it.

Docs: docs/protocols/pose.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd
from torch import Tensor

from evalkit.card import TargetPose
from evalkit.method import Method
from evalkit.metrics.accuracies import ACCURACIES
from evalkit.metrics.motion import baselines
from evalkit.metrics.pose_scores import pose_scores
from evalkit.protocol import Arrays, Loaded, Predictions, Scored, Summary, Value
from evalkit.views import take_views
from protocols.pose.columns import (
    OURS,
    POOLED,
    PREDICTED_W2C,
    ROTATION_AMPLITUDE,
    RPA_THRESHOLDS,
    TRAJECTORY,
    TRUE_W2C,
    rpa_key,
)
from protocols.pose.plan import PosePlan
from protocols.pose.scores import ALIGNED, chance, compared, pooled, rpa_row, skill_row, trajectory_row
from protocols.shared.clip_skill import skill_findings
from protocols.shared.skill_names import OWN_ERROR
from protocols.shared.summaries import intervals, scored_rows
from protocols.shared.target_poses import Batch

W2C = "w2c"
WITHOUT_BASELINE = "without_baseline"  # pairs of true cameras at one place
UNBOUNDED = (*TRAJECTORY, OWN_ERROR, ROTATION_AMPLITUDE)
SHARES = (*(accuracy.key for accuracy in ACCURACIES), *map(rpa_key, RPA_THRESHOLDS))


class Pose(PosePlan):
    """Compares the cameras that a method predicts with the true ones."""

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Cameras of the views that are scored, as the method's poses have them."""
        clips = Batch.of(batch, method)
        views, context = clips.context_alone() if self.context_only else (clips.views, clips.context)
        poses = method.encode_poses(views, context)
        assert poses.cameras is not None
        w2c = poses.cameras.w2c
        return {W2C: take_views(w2c, context[:, [0, -1]]) if self.ends_only else w2c}

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Errors of all pairs, whatever the version counts of them, and of the aligned trajectory."""
        return [self._score_one(loaded, w2c, target_pose) for loaded, w2c in zip(batch, predictions[W2C], strict=True)]

    def _score_one(self, loaded: Loaded, w2c: Tensor, source: TargetPose) -> Scored:
        true, pred = self._truth(loaded), w2c.double().cpu()
        scores = pose_scores(pred[None], true[None], self.options.min_baseline)
        row: dict[str, Value] = {
            "sequence": loaded.sample.clips[0].sequence,
            "frames": self.clips.source,
            "target_pose": source.value,
            "n_scored": len(true),
            WITHOUT_BASELINE: int((baselines(true[None]) == 0).sum()),
        }
        row |= scores.row() | rpa_row(scores)
        if self.version != OURS:
            return Scored(row, scores.arrays())
        row |= trajectory_row(pred, true) | skill_row(pred, true, self.options.min_baseline)
        return Scored(row, scores.arrays() | {TRUE_W2C: true, PREDICTED_W2C: pred})

    def _truth(self, loaded: Loaded) -> Tensor:
        """True w2c [V, 4, 4] of the views that are scored."""
        cameras = loaded.frames[0].cameras
        assert cameras is not None
        return cameras.w2c[list(self.scored_positions(loaded.sample.clips[0]))].double().cpu()

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Means over clips, and skill; for `noposplat` and `vggt` one number of all pairs together."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        metrics = intervals(scored, {key: scored[key] for key in SHARES if key in scored})
        metrics |= intervals(scored, {key: scored[key] for key in UNBOUNDED if key in scored}, bounded=False)
        if self.version in POOLED:
            metrics |= pooled(self.version, scored, arrays)
        is_given = set(scored["target_pose"]) == {TargetPose.GIVEN.value}
        notes = ("cameras of the dataset, handed through: an upper bound",) if is_given else ()
        references = {"chance (closed form)": chance()}
        if self.version != OURS:
            return Summary(metrics, counts=_counts(scored), references=references, notes=notes)
        found = skill_findings(compared(scored, arrays, self.options.min_baseline))
        return Summary(
            metrics | dict(found.metrics),
            counts=_counts(scored),
            references=references | dict(found.references),
            notes=(*found.notes, *notes),
        )


def _counts(scored: pd.DataFrame) -> dict[str, int]:
    """Clips without trajectory errors by reason, and pairs without a true baseline."""
    reasons = Counter(scored[ALIGNED][scored[ALIGNED] != "yes"] if ALIGNED in scored else ())
    counts = {f"no ATE, {reason}": count for reason, count in sorted(reasons.items())}
    without_baseline = int(scored[WITHOUT_BASELINE].sum())
    return counts | {"pairs of cameras at one place (90° off, as in NAS3R; NaN in NoPoSplat)": without_baseline}
