"""True Pose Similarity, `tps@3` and `tps@xfactor`: are poses transferable between scenes? (XFactor, Table 1)

Docs: docs/protocols/tps.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from evalkit.card import TargetPose
from evalkit.data.dataset import Dataset, KnownWorld
from evalkit.data.degrade import blurred
from evalkit.method import Method
from evalkit.metrics.catalogue import LPIPS_VGG
from evalkit.metrics.identity import NETWORKS
from evalkit.metrics.pose_scores import pose_scores
from evalkit.oracles.oracle import ClipLocation, Estimate, Oracle, has_scale
from evalkit.protocol import RENDERS, Arrays, Clip, Loaded, Predictions, Scored, Summary, Value
from evalkit.views import Frames
from evalkit.weights.store import absent
from protocols.shared.bleed import kept_changes
from protocols.shared.exact_transfer import ExactTransfers, error_image, transfer_error
from protocols.shared.identity import identity_row
from protocols.shared.summaries import intervals, scored_rows
from protocols.shared.transfer import Pair, render_transfer
from protocols.tps.columns import (
    BLURRED_W2C,
    CEILING,
    ORACLE_ON_BLURRED,
    ORACLE_ON_REAL,
    ORACLE_ON_RENDER,
    REAL_VS_TRUTH,
    REAL_W2C,
    RENDER,
    RENDER_VS_TRUTH,
    RENDER_W2C,
)
from protocols.tps.options import TpsOptions
from protocols.tps.pair_row import amplitude_row, motion_row, skill_row
from protocols.tps.plan import TpsPlan
from protocols.tps.summary import against_others, of_the_paper, oracle_values, other_means, unbounded_means


class Estimates(NamedTuple):
    """The oracle's cameras of one pair: of A's real targets, of a blurred copy of them, and of the renders."""

    real: Estimate
    blurred: Estimate
    render: Estimate


class Tps(TpsPlan):
    """Renders B at A's poses, and compares the motion that an oracle sees with A's own."""

    def __init__(self, options: TpsOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        super().__init__(options, dataset, oracle, seed)
        assert oracle is not None  # or planning has refused
        self.oracle = oracle
        self.world = dataset if isinstance(dataset, KnownWorld) else None
        self.exact_transfers = ExactTransfers(self.world) if self.world else None
        self.has_identity_network = not absent(NETWORKS[options.identity])
        self.has_lpips = not absent(LPIPS_VGG.networks)

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Renders of B at A's poses."""
        return {RENDERS: render_transfer(batch, method)}

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Ask the oracle about A's real targets and, separately, about the renders; compare with the truth."""
        pairs, renders = [Pair.of(loaded) for loaded in batch], predictions[RENDERS]
        estimates = self._estimates(pairs, renders)
        return [self._score_one(pair, estimates[i], renders[i], target_pose) for i, pair in enumerate(pairs)]

    def _estimates(self, pairs: Sequence[Pair], renders: Tensor) -> list[Estimates]:
        """Ask the oracle about three clips of each pair, in one call."""
        real = torch.stack([pair.targets.images for pair in pairs])
        soft = blurred(real.flatten(0, 1), self.options.ceiling_blur).view_as(real)
        with ThreadPoolExecutor(max_workers=1) as pool:
            answer = pool.submit(self.oracle.estimate, torch.cat([real, soft, renders]), None, self._locations(pairs))
            if self.exact_transfers is not None:  # ray-cast while the oracle computes
                for pair in pairs:
                    self.exact_transfers.of(pair)
            estimate = answer.result()
        starts = range(0, 3 * len(pairs), len(pairs))
        return [Estimates(*(_one(estimate, start + i) for start in starts)) for i in range(len(pairs))]

    def _locations(self, pairs: Sequence[Pair]) -> list[ClipLocation] | None:
        """Where the three clips of each pair were taken, in worlds that are known, with the context's cameras there."""
        if self.world is None:
            return None
        in_a = [ClipLocation(self.world, pair.clip_a.sequence, context_cameras(pair.a, pair.clip_a)) for pair in pairs]
        in_b = [ClipLocation(self.world, pair.clip_b.sequence, context_cameras(pair.b, pair.clip_b)) for pair in pairs]
        return [*in_a, *in_a, *in_b]

    def _score_one(self, pair: Pair, estimates: Estimates, renders: Tensor, source: TargetPose) -> Scored:
        row: dict[str, Value] = {
            "pose_from": pair.clip_a.sequence,
            "scene_from": pair.clip_b.sequence,
            "target_pose": source.value,
            ORACLE_ON_REAL: estimates.real.reasons[0] or "ok",
            ORACLE_ON_BLURRED: estimates.blurred.reasons[0] or "ok",
            ORACLE_ON_RENDER: estimates.render.reasons[0] or "ok",
        }
        accuracies, errors = self._accuracies(pair.targets, estimates)
        min_baseline = self.options.min_baseline
        row |= accuracies | motion_row(pair.targets, estimates.real)
        row |= skill_row(estimates.real, estimates.render, min_baseline)
        if has_scale(self.oracle):
            row |= amplitude_row(pair.targets, estimates.real, estimates.render, min_baseline)
        if self.has_identity_network:
            row |= identity_row(pair, renders, self.options.identity)
        pictures = {
            "context frames of B": pair.context.images,
            "targets of A, which give the poses": pair.targets.images,
            "renders of B at the poses of A": renders,
        }
        if self.exact_transfers is not None:
            truth = self.exact_transfers.of(pair)
            row |= transfer_error(truth, pair.context, pair.motion(), renders, self.has_lpips)
            pictures["exact transfer: B seen along the motion of A"] = truth.images
            pictures["error: mean over the colours; white is a quarter of the range"] = error_image(truth, renders)
        return Scored(row, errors | _kept(pair, estimates, renders), pictures)

    def _accuracies(self, targets: Frames, estimates: Estimates) -> tuple[dict[str, Value], dict[str, Tensor]]:
        """The accuracies and the errors of all comparisons of cameras, each under its prefix."""
        real = estimates.real.w2c
        comparisons = [(RENDER, estimates.render.w2c, real), (CEILING, estimates.blurred.w2c, real)]
        if targets.cameras is not None:
            true = targets.cameras.w2c[None].cpu()
            comparisons += [(RENDER_VS_TRUTH, estimates.render.w2c, true), (REAL_VS_TRUTH, real, true)]
        row: dict[str, Value] = {}
        errors: dict[str, Tensor] = {}
        for prefix, w2c, reference in comparisons:
            scores = pose_scores(w2c, reference, self.options.min_baseline)
            row |= scores.row(prefix)
            errors |= scores.arrays(prefix)
        return row, errors

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Means over pairs whose real clip the oracle could read, clustered by scene, and skill against other clips."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        readable = scored[scored[ORACLE_ON_REAL] == "ok"]
        values = oracle_values(readable)
        metrics = intervals(readable, values) | other_means(scored) | unbounded_means(scored, readable)
        if self.version == "xfactor":
            findings = of_the_paper(readable, values[self.columns[0].key], metrics)
        else:
            findings = against_others(scored, readable, arrays, self.options.min_baseline, metrics)
        trust = f"how far oracle={self.oracle.identity()['name']} can be trusted: docs/oracles.md, Calibration"
        return Summary(
            metrics | dict(findings.metrics),
            slices=findings.slices,
            counts={
                "oracle failed on the real clip": len(scored) - len(readable),
                "oracle failed on the blurred clip": int((readable[ORACLE_ON_BLURRED] != "ok").sum()),
                "oracle failed on the render": int((readable[ORACLE_ON_RENDER] != "ok").sum()),
            },
            references=findings.references,
            notes=(*findings.notes, trust),
            block=findings.block,
        )


def _kept(pair: Pair, estimates: Estimates, renders: Tensor) -> dict[str, Tensor]:
    """What a pair is compared by with other pairs: cameras, and the changes of images over the views."""
    return {
        REAL_W2C: estimates.real.w2c[0],
        BLURRED_W2C: estimates.blurred.w2c[0],
        RENDER_W2C: estimates.render.w2c[0],
        **kept_changes(pair, renders),
    }


def context_cameras(frames: Frames, clip: Clip) -> Tensor:
    """Cameras w2c [C, 4, 4] of a clip's context frames."""
    assert frames.cameras is not None
    return frames.cameras.w2c[list(clip.context_positions)]


def _one(estimate: Estimate, index: int) -> Estimate:
    """The estimate of one clip, still as a batch."""
    return Estimate(estimate.w2c[index : index + 1], estimate.reasons[index : index + 1])
