"""How accurate the cameras of a method are that has explicit ones: `pose@1`, and as three papers count it.

Docs: docs/protocols/pose.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from evalkit.card import Card, Need, PoseKind, TargetPose
from evalkit.data.dataset import Dataset
from evalkit.errors import Unsupported, UserError
from evalkit.method import Method
from evalkit.metrics.motion import baselines
from evalkit.metrics.pose_scores import pose_scores
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import Arrays, Loaded, Predictions, Sample, Scored, Summary, Value
from evalkit.views import take_views
from protocols.pose.scores import ALIGNED, POOLED, RPA, chance, columns_of, folded_errors, pooled, trajectory_row
from protocols.shared.clips import ClipOptions, ClipPlanner, Selection
from protocols.shared.summaries import first_supported, intervals, scored_rows
from protocols.shared.target_poses import Batch

W2C = "w2c"


class PoseOptions(ClipOptions):
    """Settings of pose: beside the frames, which pairs and numbers, what the pose encoder sees, which pairs count."""

    version: Literal["1", "noposplat", "vggt", "erayzer"]
    frames: Selection
    target_pose: Literal[TargetPose.JOINT, TargetPose.CONTEXT_ONLY]
    min_baseline: Annotated[float, Field(ge=0, le=1)]


class Pose:
    """Accuracy of explicit cameras against the true ones (NoPoSplat, VGGT, E-RayZer; ATE and RPE)."""

    Options = PoseOptions
    name, uses_oracle = "pose", False
    controls = ("standing", "dolly")

    def __init__(self, options: PoseOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        if Need.CAMERAS not in dataset.provides:
            raise UserError("protocol=pose compares with true cameras, which this dataset does not have")
        self.options, self.version = options, options.version
        self.clips = ClipPlanner(options, dataset, seed, options.frames)
        self.preprocess = self.clips.preprocess
        self.context_only = options.target_pose is TargetPose.CONTEXT_ONLY
        self.ends = options.version == "noposplat"  # the one pair of the first and the last context view
        self.columns = columns_of(options.version)

    def samples(self) -> list[Sample]:
        """ClipPlanner, see `ClipPlanner.samples`."""
        return self.clips.samples()

    def target_pose(self, card: Card) -> TargetPose:
        """What the pose encoder sees, as asked; `given` where a method has the dataset's cameras to begin with."""
        if card.pose is PoseKind.LATENT:
            raise Unsupported(
                f"baseline '{card.name}' has no cameras: protocol=pose needs explicit ones (probe does not)"
            )
        if Need.CAMERAS in card.needs:
            return TargetPose.GIVEN
        if self.context_only:  # whoever can build a scene can encode its context
            return TargetPose.CONTEXT_ONLY
        return first_supported(card, (TargetPose.JOINT,), TargetPose.JOINT)

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Cameras of the views that are scored, as the method's poses have them."""
        views, context, _ = Batch.of(batch, method)
        if self.context_only:
            views = views.take(context)
            context = torch.arange(context.shape[1], device=context.device).expand_as(context)
        poses = method.encode_poses(views, context)
        assert poses.cameras is not None
        return {W2C: take_views(poses.cameras.w2c, context[:, [0, -1]]) if self.ends else poses.cameras.w2c}

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Errors of all pairs, whatever the version counts of them, and of the aligned trajectory."""
        return [self._score_one(one, w2c, target_pose) for one, w2c in zip(batch, predictions[W2C], strict=True)]

    def _score_one(self, loaded: Loaded, w2c: Tensor, source: TargetPose) -> Scored:
        true, pred = self._truth(loaded), w2c.double().cpu()
        scores = pose_scores(pred[None], true[None], self.options.min_baseline)
        row: dict[str, Value] = {
            "sequence": loaded.sample.clips[0].sequence,
            "frames": self.clips.source,
            "target_pose": source.value,
            "n_scored": len(true),
            "without_baseline": int((baselines(true[None]) == 0).sum()),
        }
        row |= scores.row() | {f"rpa@{t}": float((folded_errors(scores) <= t).double().mean()) for t in RPA}
        if self.version == "1":
            row |= trajectory_row(pred, true)
        return Scored(row, scores.arrays())

    def _truth(self, loaded: Loaded) -> Tensor:
        """True w2c [V, 4, 4] of the views that are scored."""
        clip, cameras = loaded.sample.clips[0], loaded.frames[0].cameras
        assert cameras is not None
        positions = clip.context_positions if self.context_only or self.ends else range(len(clip.numbers))
        return cameras.w2c[[positions[0], positions[-1]] if self.ends else list(positions)].double().cpu()

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Means over clips; for `noposplat` and `vggt` also one number of all pairs together."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        numbers = scored.select_dtypes("number").drop(columns=["n_scored", "without_baseline"])
        metrics = intervals(scored, {str(key): numbers[key] for key in numbers})
        if self.version in POOLED:
            metrics |= pooled(self.version, scored, arrays)
        refused = Counter(scored[ALIGNED][scored[ALIGNED] != "yes"] if ALIGNED in scored else ())
        counts = {f"no ATE, {reason}": count for reason, count in sorted(refused.items())}
        counts["pairs of cameras at one place (90° off, as in NAS3R; NaN in NoPoSplat)"] = int(
            scored["without_baseline"].sum()
        )
        given = set(scored["target_pose"]) == {TargetPose.GIVEN.value}
        notes = ("cameras of the dataset, handed through: an upper bound",) if given else ()
        return Summary(metrics, counts=counts, references={"chance (closed form)": chance()}, notes=notes)
