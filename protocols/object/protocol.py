"""`object@1`: an object from an unposed video around it, seen from between its frames (after UVRM, Table A1).

Docs: docs/protocols/object.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import IntEnum

import pandas as pd
import torch
from torch import Tensor

from evalkit.card import Need, TargetPose
from evalkit.data.dataset import Dataset
from evalkit.errors import SampleError
from evalkit.method import Method
from evalkit.metrics.named import computable
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import RENDERS, Arrays, Loaded, Predictions, Scored, Summary
from protocols.object.columns import OBJECT_PSNR, SUCCESS, over_all_objects
from protocols.object.options import ObjectOptions
from protocols.object.plan import ObjectPlan
from protocols.object.pose_knowledge import is_given_poses
from protocols.object.steering import render_at_true_poses
from protocols.object.truth import Truth
from protocols.shared.summaries import image_intervals, intervals, scored_rows

COLOUR = "baseline."  # in rows before a metric's name: of one colour
GIVEN_POSES, FAILURE = "handed", "failure"  # row keys: the method was given the dataset's poses; why an object failed
NOT_UNPOSED = "the method was given the dataset's poses or times: this is not a reconstruction from unposed images"
NO_DEPTH = "these data have no depth: all pixels count as the object's"


class Outcome(IntEnum):
    """What became of an object."""

    RECONSTRUCTED = 0
    NO_SIMILARITY = 1
    NOT_FINITE = 2
    REFUSED = 3
    POOR = 4


REASONS = {
    Outcome.RECONSTRUCTED: "",
    Outcome.NO_SIMILARITY: "cameras without a similarity",
    Outcome.NOT_FINITE: "renders not finite",
    Outcome.REFUSED: "refused",
    Outcome.POOR: "no better than one colour",
}


class Object(ObjectPlan):
    """Render the targets, decide which objects are reconstructed, and compare renders with the real frames."""

    def __init__(self, options: ObjectOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        super().__init__(options, dataset, oracle, seed)
        self.metrics = computable(options.metrics)

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Render the targets, and say which objects have failed; their renders are one colour."""
        blank, outcome = Truth.of(batch).mean_colour, Outcome.RECONSTRUCTED
        try:
            renders, has_similarity = render_at_true_poses(batch, method)
        except SampleError:
            if len(batch) > 1:  # perhaps not all of them fail: the engine then calls again for each object alone
                raise
            renders, has_similarity = blank, torch.ones(1, dtype=torch.bool, device=blank.device)
            outcome = Outcome.REFUSED
        is_finite = renders.isfinite().flatten(1).all(1)
        outcomes = torch.where(
            has_similarity, torch.where(is_finite, outcome, Outcome.NOT_FINITE), Outcome.NO_SIMILARITY
        )
        shown = (outcomes == Outcome.RECONSTRUCTED)[:, None, None, None, None]
        return {
            RENDERS: torch.where(shown, renders, blank),
            FAILURE: outcomes,
            GIVEN_POSES: torch.full_like(outcomes, is_given_poses(method.card)),
        }

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Compute every metric of each target, for renders and for one colour, and the outcome of each object."""
        truth, renders = Truth.of(batch), predictions[RENDERS]
        scores, colour = truth.scores(self.metrics, renders), truth.colour_scores(self.metrics)
        outcomes = self._outcomes(predictions[FAILURE].cpu(), scores[OBJECT_PSNR], colour[OBJECT_PSNR])
        arrays = scores | {COLOUR + name: values for name, values in colour.items()}
        return [
            Scored(
                row={
                    "sequence": loaded.sample.clips[0].sequence,
                    "n_context": len(loaded.sample.clips[0].context),
                    "n_target": len(loaded.sample.clips[0].target),
                    "target_pose": target_pose.value,
                    GIVEN_POSES: bool(predictions[GIVEN_POSES][i]),
                    SUCCESS: int(outcomes[i] is Outcome.RECONSTRUCTED),
                    FAILURE: REASONS[outcomes[i]],
                    "object_share": float(truth.mask[i].double().mean()),
                    **{name: float(values[i].mean()) for name, values in arrays.items()},
                },
                arrays={name: values[i] for name, values in arrays.items()},
                pictures={
                    "context": loaded.frames[0].images[list(loaded.sample.clips[0].context_positions)],
                    "targets": truth.images[i],
                    "renders": renders[i],
                },
            )
            for i, loaded in enumerate(batch)
        ]

    def _outcomes(self, outcomes: Tensor, psnr: Tensor, colour_psnr: Tensor) -> list[Outcome]:
        """The outcome of each object, where those with too low a PSNR [B, T] over the object count as poor."""
        is_success = (psnr.mean(1) - colour_psnr.mean(1)) > self.options.success_margin_db
        poor = (outcomes == Outcome.RECONSTRUCTED) & ~is_success
        return [Outcome(code) for code in torch.where(poor, Outcome.POOR, outcomes).tolist()]

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """The share of successes; means over the successes, and over all objects with failures as one colour."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        names = [*self.metrics, OBJECT_PSNR]
        is_success = scored[SUCCESS] == 1
        of_colour = scored.assign(**{name: scored[COLOUR + name] for name in names})
        of_all = scored.assign(**{name: scored[name].where(is_success, of_colour[name]) for name in names})
        colour_means = {name: score.mean for name, score in image_intervals(of_colour, names).items()}
        failures = Counter(scored[FAILURE][~is_success])
        return Summary(
            intervals(scored, {SUCCESS: scored[SUCCESS]})
            | image_intervals(scored[is_success], names)
            | {over_all_objects(name): score for name, score in image_intervals(of_all, names).items()},
            counts={f"not reconstructed, {reason}": failures[reason] for reason in REASONS.values() if reason},
            references={"one colour": {over_all_objects(name): mean for name, mean in colour_means.items()}},
            notes=self._notes(scored),
        )

    def _notes(self, scored: pd.DataFrame) -> tuple[str, ...]:
        notes = [NOT_UNPOSED] if scored[GIVEN_POSES].any() else []
        return (*notes, *([NO_DEPTH] if Need.DEPTH not in self.dataset.provides else []))
