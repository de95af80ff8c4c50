"""True Pose Similarity, `tps@2` and `tps@xfactor`: are poses transferable between scenes? (XFactor, Table 1)

Docs: docs/protocols/tps.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Literal, NamedTuple

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from evalkit.card import Card, TargetPose
from evalkit.data.dataset import Dataset, KnownWorld
from evalkit.data.degrade import blurred
from evalkit.errors import UserError
from evalkit.method import Method
from evalkit.metrics.identity import NETWORKS, Feature, features, shows_own_scene
from evalkit.metrics.motion import baselines, rotation_span_deg
from evalkit.metrics.pose import chance_floor
from evalkit.metrics.pose_scores import THRESHOLDS, pose_scores
from evalkit.oracles.oracle import ClipLocation, Estimate, Oracle
from evalkit.pixels import Preprocess
from evalkit.protocol import RENDERS, Arrays, Clip, Column, Loaded, Predictions, Sample, Scored, Summary, Value
from evalkit.stats.bootstrap import Interval
from evalkit.views import Frames
from evalkit.weights.store import absent
from protocols.shared.summaries import first_supported, intervals, scored_rows, slices_of
from protocols.shared.transfer import Pair, TransferOptions, TransferPlanner, render_transfer
from protocols.tps.exact_transfer import Truths, transfer_error

ROTATION_SLICES = (10.0, 30.0)  # degrees, between the slices of little, middling and much rotation
BASELINE_SLICES = ("short baselines", "middling", "long")


class TpsOptions(TransferOptions):
    """Settings of tps: beside those of the transfer, how clips are compared."""

    version: Literal["2", "xfactor"]
    min_baseline: Annotated[float, Field(ge=0, lt=1)]
    ceiling_blur: Annotated[float, Field(gt=0)]
    identity: Feature


class Seen(NamedTuple):
    """What the oracle says of one pair: of A's real targets, of a blurred copy of them, and of the renders."""

    real: Estimate
    blurred: Estimate
    render: Estimate


class Tps:
    """Poses from clip A rendered in the scene of clip B: does an oracle see A's camera motion? (XFactor, Table 1)"""

    Options = TpsOptions
    name, uses_oracle = "tps", True

    def __init__(self, options: TpsOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        if oracle is None:
            raise UserError("protocol=tps needs an oracle: oracle=colmap")
        if options.target < 2:
            raise UserError(f"protocol.target={options.target}: relative poses need at least 2 target frames")
        self.options, self.dataset, self.oracle = options, dataset, oracle
        self.version = options.version
        self.transfers = TransferPlanner(options, dataset, seed)
        self.preprocess = Preprocess(options.resolution, options.preprocess)
        self.columns = _columns(options)
        self.sees_identity = not absent(NETWORKS[options.identity])
        self.truths = Truths(dataset) if isinstance(dataset, KnownWorld) else None

    def samples(self) -> list[Sample]:
        """Pairs of clips, see `TransferPlanner.samples`."""
        return self.transfers.samples()

    def target_pose(self, card: Card) -> TargetPose:
        """Always from another clip."""
        return first_supported(card, (TargetPose.TRANSFER,), None)

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Renders of B at A's poses."""
        return {RENDERS: render_transfer(batch, method)}

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Ask the oracle about A's real targets and, separately, about the renders; compare with the truth."""
        pairs = [Pair.of(loaded) for loaded in batch]
        renders = predictions[RENDERS]
        real = torch.stack([pair.targets.images for pair in pairs])
        softer = blurred(real.flatten(0, 1), self.options.ceiling_blur)
        with ThreadPoolExecutor(max_workers=1) as pool:
            clips = torch.cat([real, softer.view_as(real), renders])
            asked = pool.submit(self.oracle.estimate, clips, None, self._places(pairs))
            if self.truths is not None:  # ray-cast while the oracle is at work
                for pair in pairs:
                    self.truths.of(pair)
            answers = asked.result()
        on_real, on_blurred, on_renders = (
            _some(answers, start, len(pairs)) for start in range(0, 3 * len(pairs), len(pairs))
        )
        return [
            self._score_one(
                pair, Seen(_some(on_real, i), _some(on_blurred, i), _some(on_renders, i)), renders[i], target_pose
            )
            for i, pair in enumerate(pairs)
        ]

    def _places(self, pairs: Sequence[Pair]) -> list[ClipLocation] | None:
        """Where the clips of `score` were taken, where the world is known; looking starts at the context's cameras."""
        if not isinstance(self.dataset, KnownWorld):
            return None
        in_a = [
            ClipLocation(self.dataset, pair.clip_a.sequence, context_cameras(pair.a, pair.clip_a)) for pair in pairs
        ]
        in_b = [
            ClipLocation(self.dataset, pair.clip_b.sequence, context_cameras(pair.b, pair.clip_b)) for pair in pairs
        ]
        return [*in_a, *in_a, *in_b]

    def _score_one(self, pair: Pair, seen: Seen, images: Tensor, source: TargetPose) -> Scored:
        targets, (real, soft, render) = pair.targets, seen
        row: dict[str, Value] = {
            "pose_from": pair.clip_a.sequence,
            "scene_from": pair.clip_b.sequence,
            "target_pose": source.value,
            "oracle_on_real": real.reasons[0] or "ok",
            "oracle_on_blurred": soft.reasons[0] or "ok",
            "oracle_on_render": render.reasons[0] or "ok",
        }
        arrays: dict[str, Tensor] = {}
        for name, estimate in (("", render), ("ceiling.", soft)):
            scores = pose_scores(estimate.w2c, real.w2c, self.options.min_baseline)
            row |= scores.row(name)
            arrays |= scores.arrays(name)
        if targets.cameras is not None:
            true = targets.cameras.w2c[None].cpu()
            for name, estimate in (("render_vs_truth.", render), ("real_vs_truth.", real)):
                scores = pose_scores(estimate.w2c, true, self.options.min_baseline)
                row |= scores.row(name)
                arrays |= scores.arrays(name)
        row |= _motion(targets, real)
        if self.sees_identity:
            row |= _identity(pair, images, self.options.identity)
        pictures = {
            "context frames of B": pair.context.images,
            "targets of A, which give the poses": targets.images,
            "renders of B at the poses of A": images,
        }
        if self.truths is not None:
            truth = self.truths.of(pair)
            row |= transfer_error(truth, pair.context, pair.motion(), images)
            pictures["exact transfer: B seen along the motion of A"] = truth.images
            off = (images - truth.images).abs().mean(dim=1, keepdim=True)
            pictures["error: mean over the colours; white is a quarter of the range"] = (4 * off).expand_as(images)
        return Scored(row, arrays, pictures)

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Means over pairs whose real clip the oracle could read.

        Every accuracy stands twice: over the renders the oracle could read, and, marked ``|failed=90``, with
        the others counted as 90 degrees off, which is zero at every threshold.
        """
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        readable = scored[scored["oracle_on_real"] == "ok"]
        failed = readable["oracle_on_render"] != "ok"
        accuracies = [key for key in map(str, readable) if "@" in key and "." not in key] + ["magnitude"]
        values = {key: readable[key] for key in accuracies}
        values |= {f"{key}|failed=90": readable[key].mask(failed, 0.0) for key in accuracies}
        values["oracle_failed"] = failed.astype(float)
        ceiling = {key: readable[key] for key in map(str, readable) if key.startswith("ceiling.")}
        metrics = intervals(readable, values | ceiling)
        of_all = [key for key in map(str, scored) if key.startswith(("exact_", "real_vs_truth", "identity"))]
        metrics |= intervals(scored, {key: scored[key] for key in of_all})
        return Summary(
            metrics,
            slices=_slices(readable.assign(score=values[self.columns[0].key])),
            counts={
                "oracle failed on the real clip": len(scored) - len(readable),
                "oracle failed on the blurred clip": int((readable["oracle_on_blurred"] != "ok").sum()),
                "oracle failed on the render": int(failed.sum()),
            },
            references={
                "ceiling (real, blurred)": _ceiling(metrics),
                "chance (closed form)": _chance(),
            },
            notes=(f"how far oracle={self.oracle.identity()['name']} can be trusted: docs/oracles.md, Calibration",),
        )


def _columns(options: TpsOptions) -> tuple[Column, ...]:
    """What is printed: XFactor's Table 1, or what we would rather know."""
    if options.version == "xfactor":
        scores = (("rra", "RRA"), ("rta_folded", "RTA"), ("auc_xfactor_folded", "AUC"))
        paper = [Column(f"{key}@{t}", f"{title}@{t}", 100, 1) for key, title in scores for t in (10, 20, 30)]
        paper.sort(key=lambda column: column.key != "auc_xfactor_folded@20")
        return (*paper, Column("oracle_failed", "oracle\nfailed %", 100, 1))
    return (
        Column("auc_exact_signed@20", "AUC@20\nsigned", 100, 1),
        Column("auc_exact_signed@20|failed=90", "AUC@20 sig.\nfailed=90°", 100, 1),
        Column("auc_xfactor_folded@20", "AUC@20\nXFactor", 100, 1),
        Column("magnitude", "lengths\nagree %", 100, 1),
        Column("oracle_failed", "oracle\nfailed %", 100, 1),
        Column("identity", "shows B,\nnot A %", 100, 1, NETWORKS[options.identity]),
        Column("exact_psnr", "exact transfer\nPSNR dB", 1, 2),
        Column("exact_psnr_visible", "… where\nvisible", 1, 2),
    )


def context_cameras(frames: Frames, clip: Clip) -> Tensor:
    """Cameras w2c [C, 4, 4] of a clip's context frames."""
    assert frames.cameras is not None
    return frames.cameras.w2c[list(clip.context_positions)]


def _some(estimate: Estimate, start: int, count: int = 1) -> Estimate:
    return Estimate(estimate.w2c[start : start + count], estimate.reasons[start : start + count])


def _motion(targets: Frames, real: Estimate) -> dict[str, Value]:
    """How much A's camera moves: by the true cameras, else by the oracle, which knows no unit of length.

    ``baseline`` is the widest distance of two target cameras, over the median depth where depth is known.
    """
    if targets.cameras is None:
        return {"rotation_span_deg": float(rotation_span_deg(real.w2c)), "baseline": math.nan}
    w2c = targets.cameras.w2c[None].cpu()
    depth = 1.0 if targets.depth is None else float(targets.depth[targets.depth.isfinite()].median())
    return {"rotation_span_deg": float(rotation_span_deg(w2c)), "baseline": float(baselines(w2c).max()) / depth}


def _identity(pair: Pair, renders: Tensor, feature: Feature) -> dict[str, Value]:
    """Share of the renders that are nearer to B's context frames than to any frame of A.

    ``identity_real``: the same for real frames of B that are not in the context, as a reference for the feature.
    """
    own, other, shown = (features(images, feature) for images in (pair.context.images, pair.a.images, renders))
    unseen = [number not in pair.clip_b.context for number in pair.clip_b.target]
    real = pair.b.images[list(pair.clip_b.target_positions)][unseen]
    row: dict[str, Value] = {"identity": float(shows_own_scene(shown, own, other).double().mean())}
    if len(real):
        row["identity_real"] = float(shows_own_scene(features(real, feature), own, other).double().mean())
    return row


def _slices(readable: pd.DataFrame) -> dict[str, Interval]:
    """The column ``score`` by rotation span, and by thirds of the baselines of this run."""
    little, much = ROTATION_SLICES
    names = [f"rotation < {little:.0f}°", f"{little:.0f}–{much:.0f}°", f"> {much:.0f}°"]
    rotation = pd.cut(readable["rotation_span_deg"], [0, little, much, 180.0], labels=names, include_lowest=True)
    found = slices_of(readable, readable["score"], rotation)
    if readable["baseline"].nunique() >= len(BASELINE_SLICES):
        thirds = pd.qcut(readable["baseline"].rank(method="first"), len(BASELINE_SLICES), labels=BASELINE_SLICES)
        found |= slices_of(readable, readable["score"], thirds)
    return found


def _ceiling(metrics: Mapping[str, Interval]) -> dict[str, float]:
    """What A's real clip scores against a blurred copy of itself, and real frames of B as to identity."""
    values = {key.removeprefix("ceiling."): each.mean for key, each in metrics.items() if key.startswith("ceiling.")}
    return values | ({"identity": metrics["identity_real"].mean} if "identity_real" in metrics else {})


def _chance() -> dict[str, float]:
    """Correct rotations with uniformly random translation directions: what a method gets for knowing nothing."""
    floor = {f"auc_exact_signed@{t}": chance_floor(t, signed=True) for t in THRESHOLDS}
    return floor | {f"auc_xfactor_folded@{t}": chance_floor(t, signed=False) for t in THRESHOLDS}
