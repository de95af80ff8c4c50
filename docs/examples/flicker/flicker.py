"""Flicker: how unsteady the error of a method's renders is from one target frame to the next. A whole protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import pandas as pd
import torch
from pydantic import Field

from evalkit.card import Card, TargetPose
from evalkit.data.dataset import Dataset
from evalkit.method import Method
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import RENDERS, Arrays, Better, Column, Loaded, Predictions, Sample, Scored, Summary
from protocols.shared.clips import ClipOptions, ClipPlanner
from protocols.shared.sources import first_supported
from protocols.shared.summaries import intervals, scored_rows
from protocols.shared.target_poses import Batch, encode

SOURCES = (TargetPose.GIVEN, TargetPose.JOINT, TargetPose.CONTEXT_ONLY)


class FlickerOptions(ClipOptions):
    """Settings of flicker: beside the frames, which changes are too small to be seen."""

    name: str = "flicker"
    target: Annotated[int, Field(ge=2, description="Target views of a clip.")] | None = None
    unseen: Annotated[float, Field(ge=0, description="Levels of 255 below which a change does not count.")] = 1.0


class Flicker:
    """Temporal stability: mean change of the error of a pixel between neighbouring target frames."""

    Options = FlickerOptions
    name, version, uses_oracle = "flicker", "1", False
    columns = (
        Column("flicker", "flicker,\nlevels of 255", 255, 2, better=Better.LOWER, quantity="change of the error"),
        Column("motion", "change of the\ntrue frames", 255, 2, quantity="change of the truth"),
    )

    def __init__(self, options: FlickerOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        self.options = options
        self.clips = ClipPlanner(options, dataset, seed)
        self.preprocess = self.clips.preprocess

    def samples(self) -> list[Sample]:
        """Clips of context and target views."""
        return self.clips.samples()

    def target_pose(self, card: Card) -> TargetPose:
        """The first source that the method offers of given, joint and context_only."""
        return first_supported(card, SOURCES, None)

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Renders of the targets."""
        seen = Batch.of(batch, method)
        poses = encode(seen, method, self.target_pose(method.card))
        return {RENDERS: method.render(method.encode_scene(seen.views.take(seen.context), poses.context), poses.target)}

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Mean absolute change of error and truth from each target to the next, by clip."""
        truth = torch.stack([one.frames[0].images[list(one.sample.clips[0].target_positions)] for one in batch])
        changes = {"flicker": (predictions[RENDERS] - truth).diff(dim=1).abs(), "motion": truth.diff(dim=1).abs()}
        visible = {name: values.where(values >= self.options.unseen / 255, 0) for name, values in changes.items()}
        means = {name: values.double().flatten(1).mean(1).tolist() for name, values in visible.items()}
        return [Scored({name: values[i] for name, values in means.items()}) for i in range(len(batch))]

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Means over clips, clustered by scene."""
        scored = scored_rows(rows)
        return Summary(intervals(scored, {name: scored[name] for name in ("flicker", "motion")}))
