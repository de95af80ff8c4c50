"""`object@2`: an object from an unposed video around it, seen from between its frames (after UVRM, Table A1).

Docs: docs/protocols/object.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import IntEnum

import pandas as pd
import torch
from torch import Tensor

from evalkit.card import TargetPose
from evalkit.data.dataset import Dataset
from evalkit.errors import SampleError
from evalkit.method import Method
from evalkit.metrics.named import computable
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import RENDERS, Arrays, Loaded, Predictions, Scored, Summary
from evalkit.stats import Interval
from protocols.object.columns import CHARGED_PSNR, MASK_IOU, OBJECT_PSNR, SUCCESS, as_shown, over_all_objects
from protocols.object.options import ObjectOptions
from protocols.object.plan import ObjectPlan
from protocols.object.pose_knowledge import is_given_poses
from protocols.object.silhouette import mask_iou
from protocols.object.steering import render_at_true_poses
from protocols.object.truth import Truth, is_unseen, played_backwards
from protocols.shared.summaries import image_intervals, intervals, scored_rows

COLOUR = "baseline."  # in rows before a metric's name: of one colour
GIVEN_POSES, FAILURE = "handed", "failure"  # row keys: the method was given the dataset's poses; why an object failed
NOT_UNPOSED = "the method was given the dataset's poses or times: this is not a reconstruction from unposed images"
NO_MASK = "these data have neither mask nor depth: all pixels count as the object's"
NO_BACKGROUND = "no known background behind {} of {} objects: no mask IoU, and the first column is PSNR over all pixels"
BACKGROUND, HAS_MASK, TRUE_IOU = "background_known", "mask_known", "true_mask_iou"  # row keys


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
        batch = self._played(batch)
        for loaded in batch:
            if not self._counted(loaded).any():
                least = self.options.unseen_deg
                raise SampleError(f"{loaded.sample.id}: no target is turned {least:g} degrees from every context frame")
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
        batch = self._played(batch)
        truth, renders = Truth.of(batch), predictions[RENDERS]
        counted = torch.stack([self._counted(loaded) for loaded in batch])
        scores, colour = (
            {name: torch.where(counted, values, torch.nan) for name, values in of.items()}
            for of in (truth.scores(self.metrics, renders), truth.colour_scores(self.metrics))
        )
        outcomes = self._outcomes(predictions[FAILURE].cpu(), scores[OBJECT_PSNR], colour[OBJECT_PSNR])
        arrays = scores | {COLOUR + name: values for name, values in colour.items()}
        true_iou = mask_iou(truth.images, truth.mask, truth.background).cpu()
        return [
            Scored(
                row={
                    "sequence": loaded.sample.clips[0].sequence,
                    "n_context": len(loaded.sample.clips[0].context),
                    "n_target": int(counted[i].sum()),
                    "target_pose": target_pose.value,
                    GIVEN_POSES: bool(predictions[GIVEN_POSES][i]),
                    SUCCESS: int(outcomes[i] is Outcome.RECONSTRUCTED),
                    FAILURE: REASONS[outcomes[i]],
                    "object_share": float(truth.mask[i].double().mean()),
                    BACKGROUND: bool(truth.is_background_known[i]),
                    HAS_MASK: loaded.frames[0].mask is not None or loaded.frames[0].depth is not None,
                    TRUE_IOU: float(true_iou[i][counted[i]].mean()),
                    **{name: float(values[i].nanmean()) for name, values in arrays.items()},
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

    def _played(self, batch: Sequence[Loaded]) -> list[Loaded]:
        """The samples as a method is shown them: some backwards."""
        return [played_backwards(loaded) if self.is_backwards(loaded.sample) else loaded for loaded in batch]

    def _counted(self, loaded: Loaded) -> Tensor:
        """Which targets [T] count."""
        return is_unseen(loaded, self.options.unseen_deg if self.options.split == "uneven" else 0.0)

    def _outcomes(self, outcomes: Tensor, psnr: Tensor, colour_psnr: Tensor) -> list[Outcome]:
        """The outcome of each object, where those with too low a PSNR [B, T] over the object count as poor."""
        is_success = (psnr.nanmean(1) - colour_psnr.nanmean(1)) > self.options.success_margin_db
        poor = (outcomes == Outcome.RECONSTRUCTED) & ~is_success
        return [Outcome(code) for code in torch.where(poor, Outcome.POOR, outcomes).tolist()]

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """The share of successes; means over the successes, and over all objects with failures as one colour."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        names = [*self.metrics, OBJECT_PSNR]
        is_success = scored[SUCCESS] == 1
        of_colour = scored.assign(**{name: scored[COLOUR + name] for name in (*names, CHARGED_PSNR, MASK_IOU)})
        of_all = scored.assign(**{name: scored[name].where(is_success, of_colour[name]) for name in names})
        failures = Counter(scored[FAILURE][~is_success])
        return Summary(
            intervals(scored, {SUCCESS: scored[SUCCESS]})
            | _as_shown(scored)
            | image_intervals(scored[is_success], names)
            | _over_all(of_all, names),
            counts={f"not reconstructed, {reason}": failures[reason] for reason in REASONS.values() if reason},
            references=_references(scored, _as_shown(of_colour) | _over_all(of_colour, names)),
            notes=_notes(scored),
        )


def _as_shown(rows: pd.DataFrame) -> dict[str, Interval]:
    """The scores of the object as it was rendered; no mask IoU where no background is known."""
    charged = intervals(rows, {as_shown(CHARGED_PSNR): rows[CHARGED_PSNR]}, bounded=False)
    known = rows[rows[MASK_IOU].notna()]
    return charged | intervals(known, {as_shown(MASK_IOU): known[MASK_IOU]})


def _over_all(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, Interval]:
    return {over_all_objects(name): score for name, score in image_intervals(rows, names).items()}


def _references(scored: pd.DataFrame, colour: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    """Lines beside every method: one colour, and the silhouettes of the true images, read as those of renders are."""
    lines = {"one colour": {name: score.mean for name, score in colour.items()}}
    if scored[BACKGROUND].any():
        lines["true images"] = {as_shown(MASK_IOU): float(scored[TRUE_IOU].mean())}
    return lines


def _notes(scored: pd.DataFrame) -> tuple[str, ...]:
    unknown = int((~scored[BACKGROUND].astype(bool)).sum())
    return (
        *([NOT_UNPOSED] if scored[GIVEN_POSES].any() else []),
        *([NO_MASK] if not scored[HAS_MASK].any() else []),
        *([NO_BACKGROUND.format(unknown, len(scored))] if unknown else []),
    )
