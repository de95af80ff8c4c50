"""`object@1`: an object from an unposed video around it, seen from between its frames (after UVRM, Table A1).

Docs: docs/protocols/object.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import pandas as pd
import torch
from pydantic import Field

from evalkit.card import Card, Need, TargetPose
from evalkit.config.options import ComponentOptions
from evalkit.data.dataset import Dataset, SequenceInfo
from evalkit.errors import SampleError, Unsupported, UserError
from evalkit.method import Method
from evalkit.metrics.named import MetricNames, computable
from evalkit.oracles.oracle import Oracle
from evalkit.pixels import Preprocess, Profile
from evalkit.protocol import RENDERS, Arrays, Clip, Column, Loaded, Predictions, Sample, Scored, Summary
from protocols.object.steering import is_handed, is_steered, render_at_truth
from protocols.object.truth import OBJECT, Truth
from protocols.object.turntable import around
from protocols.shared.summaries import image_columns, image_intervals, intervals, scored_rows

ALL = "|failed=baseline"  # after a metric: over all objects
BASELINE = "baseline."  # before a metric: of one colour
HANDED, FAILURE = "handed", "failure"  # whether a method knew the dataset's poses; how it failed, one of these:
FINE, DEGENERATE, INFINITE, REFUSED, POOR = range(5)
REASONS = ("", "cameras without a similarity", "renders not finite", "refused", "no better than one colour")
NOT_UNPOSED = "poses or times of the dataset were handed to the method: not a reconstruction from unposed images"
NO_DEPTH = "these data have no depth: all pixels count as the object's"


class ObjectOptions(ComponentOptions):
    """Settings of object: which frames, what counts as a success, how renders are compared."""

    version: Literal["1"]
    context: Annotated[int, Field(ge=3)]
    target: Annotated[int, Field(ge=1)]
    closed: bool
    success_margin_db: Annotated[float, Field(ge=0)]
    metrics: MetricNames
    resolution: Annotated[int, Field(ge=16)]
    preprocess: Profile


class Object:
    """Unseen views of an object from an unposed video around it: success rate, PSNR, SSIM, LPIPS (UVRM, Table A1)."""

    Options = ObjectOptions
    name, uses_oracle = "object", False
    controls = ("standing",)

    def __init__(self, options: ObjectOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        if Need.CAMERAS not in dataset.provides:
            raise UserError("protocol=object renders at true relative poses, which this dataset does not have")
        self.options, self.version, self.dataset = options, options.version, dataset
        self.preprocess = Preprocess(options.resolution, options.preprocess)
        self.metrics = computable(options.metrics)
        self.columns = _columns(options.metrics)

    def samples(self) -> list[Sample]:
        """One clip a sequence: equally spaced context around the object, held-out frames between."""
        return [self._sample(each) for each in self.dataset.sequences()]

    def _sample(self, sequence: SequenceInfo) -> Sample:
        start, end = max(sequence.segments, key=lambda each: each[1] - each[0], default=(0, 0))
        context, target = around(start, end, self.options.context, self.options.target, self.options.closed)
        problem = sequence.problem or ""
        if not problem and len({*context, *target}) < self.options.context + self.options.target:
            problem = f"{sequence.name}: {end - start} frames without a jump have no room for context and targets"
        clips = () if problem else (Clip(sequence.name, context, target),)
        return Sample(sequence.name, (sequence.scene,), clips, problem)

    def target_pose(self, card: Card) -> TargetPose:
        """Always the dataset's cameras: handed to a method that takes them, else steering one that has cameras."""
        if not is_steered(card) and TargetPose.GIVEN not in card.target_poses:
            raise Unsupported(f"baseline '{card.name}' has latent poses, which no camera can steer (protocol=nvs can)")
        return TargetPose.GIVEN

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Renders of the targets and how each object failed, if so; one colour is shown of those that did."""
        blank, failed = Truth.of(batch).blank, FINE
        try:
            renders, known = render_at_truth(batch, method)
        except SampleError:
            if len(batch) > 1:  # not all of them need be at fault: the engine asks again for each alone
                raise
            renders, known, failed = blank, torch.ones(1, dtype=torch.bool, device=blank.device), REFUSED
        finite = renders.isfinite().flatten(1).all(1)
        failure = torch.where(known, torch.where(finite, failed, INFINITE), DEGENERATE)
        return {
            RENDERS: torch.where((failure == FINE)[:, None, None, None, None], renders, blank),
            FAILURE: failure,
            HANDED: torch.full_like(failure, is_handed(method.card)),
        }

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Every metric of each target, of the renders and of one colour; whether the object was reconstructed."""
        truth, renders = Truth.of(batch), predictions[RENDERS]
        scores, baseline = truth.scores(self.metrics, renders), truth.baseline(self.metrics)
        gain = (scores[OBJECT].mean(1) - baseline[OBJECT].mean(1)) > self.options.success_margin_db
        failure = predictions[FAILURE].cpu()
        failure = torch.where((failure == FINE) & ~gain, POOR, failure)
        arrays = scores | {BASELINE + name: values for name, values in baseline.items()}
        return [
            Scored(
                row={
                    "sequence": one.sample.clips[0].sequence,
                    "n_context": len(one.sample.clips[0].context),
                    "n_target": len(one.sample.clips[0].target),
                    "target_pose": target_pose.value,
                    HANDED: bool(predictions[HANDED][i]),
                    "success": int(failure[i] == FINE),
                    FAILURE: REASONS[int(failure[i])],
                    "object_share": float(truth.mask[i].double().mean()),
                    **{name: float(values[i].mean()) for name, values in arrays.items()},
                },
                arrays={name: values[i] for name, values in arrays.items()},
                pictures={
                    "context": one.frames[0].images[list(one.sample.clips[0].context_positions)],
                    "targets": truth.images[i],
                    "renders": renders[i],
                },
            )
            for i, one in enumerate(batch)
        ]

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Share of successes; means over them, and over all objects with failures as one colour."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        names = [*self.metrics, OBJECT]
        won = scored["success"] == 1
        of_colour = scored.assign(**{name: scored[BASELINE + name] for name in names})
        of_all = scored.assign(**{name + ALL: scored[name].where(won, of_colour[name]) for name in names})
        colour = {name: each.mean for name, each in image_intervals(of_colour, names).items()}
        failures = Counter(scored[FAILURE][~won])
        told = {NOT_UNPOSED: scored[HANDED].any(), NO_DEPTH: Need.DEPTH not in self.dataset.provides}
        return Summary(
            intervals(scored, {"success": scored["success"]})
            | image_intervals(scored[won], names)
            | image_intervals(of_all, [name + ALL for name in names]),
            counts={f"not reconstructed, {reason}": failures[reason] for reason in REASONS[1:]},
            references={"one colour": {name + ALL: value for name, value in colour.items()}},
            notes=tuple(note for note, true in told.items() if true),
        )


def _columns(metrics: Sequence[str]) -> tuple[Column, ...]:
    """The share of successes, everything over all objects, one number over the successes, and how long it took."""
    every = (Column(OBJECT, "object\nPSNR dB"), *image_columns(metrics))
    return (
        Column("success", "success %", 100, 1),
        *(replace(each, key=each.key + ALL) for each in every),
        Column(OBJECT, "object dB,\nsuccesses"),
        Column("seconds", "min an\nobject", 1 / 60, 2),
    )
