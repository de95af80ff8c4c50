"""tps@1: True Pose Similarity, are poses transferable between scenes? (XFactor, Table 1)

Docs: docs/protocols/tps.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from evalkit.config.options import ComponentOptions
from evalkit.data.dataset import Dataset, KnownWorld, SequenceInfo
from evalkit.data.preprocess import Preprocess, Profile
from evalkit.errors import SampleError, UserError, did_you_mean
from evalkit.geometry.se3 import relative_to
from evalkit.method import Card, Method, TargetPose, reference_of
from evalkit.metrics.pose import chance_floor
from evalkit.metrics.pose_scores import THRESHOLDS, pose_scores
from evalkit.oracles.oracle import Estimate, Oracle
from evalkit.protocol import Clip, Column, Loaded, Sample, Scored, Summary, Value
from evalkit.seeds import generator
from evalkit.views import Frames, Views
from protocols.common import first_supported, intervals, positions_of, scored_rows
from protocols.transfer_truth import transfer_error, transferred_view
from protocols.windows import draw_window, equally_spaced

# Window lengths in frames. XFactor's evaluation windows are not published; those of the real data sets are the
# longest windows of its multi-view training.
SPANS = {
    "procedural": (24, 32),
    "clip": (8, 14),
    "re10k": (40, 200),
    "dl3dv": (6, 20),
    "mvimgnet": (6, 20),
    "co3d": (9, 40),
    "objaverse": (9, 40),
}

TRUTHS_KEPT = 16  # ray-cast clips of recent pairs


class TpsOptions(ComponentOptions):
    """Settings of tps; what is null comes from the profile."""

    profile: str
    context: Annotated[int, Field(ge=1)]
    target: Annotated[int, Field(ge=1)]
    span: tuple[int, int] | None
    pairs: Annotated[int, Field(ge=1)]
    resolution: Annotated[int, Field(ge=16)]
    preprocess: Profile


class Pair(NamedTuple):
    """Clip A, which gives the poses, and clip B, which gives the scene."""

    a: Frames
    b: Frames
    clip_a: Clip
    clip_b: Clip


class Tps:
    """Poses from clip A rendered in the scene of clip B: does an oracle see A's camera motion? (XFactor, Table 1)"""

    Options = TpsOptions
    name, version, uses_oracle = "tps", "1", True
    columns = (
        Column("auc_exact_signed@20", "AUC@20\nsigned", 100, 1),
        Column("auc_xfactor_folded@20", "AUC@20\nXFactor", 100, 1),
        Column("auc_exact_signed@20|failed=90", "AUC@20 sig.\nfailed=90°", 100, 1),
        Column("rra@10", "RRA@10", 100, 1),
        Column("rta_signed@20", "RTA@20\nsigned", 100, 1),
        Column("oracle_failed", "oracle\nfailed %", 100, 1),
        Column("exact_psnr", "exact transfer\nPSNR dB", 1, 2),
        Column("exact_psnr_visible", "… where\nvisible", 1, 2),
    )

    def __init__(self, options: TpsOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        if oracle is None:
            raise UserError("protocol=tps needs an oracle: oracle=colmap")
        if options.target < 2:
            raise UserError(f"protocol.target={options.target}: relative poses need at least 2 target frames")
        if options.span is None and options.profile not in SPANS:
            raise UserError(f"protocol.profile: no '{options.profile}'{did_you_mean(options.profile, SPANS)}")
        self.options, self.dataset, self.oracle, self.seed = options, dataset, oracle, seed
        self.span = options.span or SPANS[options.profile]
        if not max(options.context, options.target) - 1 <= self.span[0] <= self.span[1]:
            raise UserError(
                f"protocol.span={list(self.span)}: expected [shortest,longest] with room for "
                f"{max(options.context, options.target)} different frames"
            )
        self.preprocess = Preprocess(options.resolution, options.preprocess)
        self._truths: dict[tuple[Clip, Clip], Frames] = {}

    def samples(self) -> list[Sample]:
        """Pairs A->B along a random cycle through all sequences, ``pairs`` times round.

        Every second step of the cycle comes first, so that a limited run starts with pairs that share no scene.
        """
        sequences = self.dataset.sequences()
        if len(sequences) < 2:
            raise UserError(f"tps pairs different sequences: the dataset has {len(sequences)}, expected 2 or more")
        return [self._sample(a, b, lap) for lap in range(self.options.pairs) for a, b in self._cycle(sequences, lap)]

    def _cycle(self, sequences: list[SequenceInfo], lap: int) -> Iterator[tuple[SequenceInfo, SequenceInfo]]:
        order = generator(self.seed, self.name, "cycle", lap).permutation(len(sequences))
        for start in (0, 1):
            for i in range(start, len(order), 2):
                yield sequences[order[i]], sequences[order[(i + 1) % len(order)]]

    def _sample(self, a: SequenceInfo, b: SequenceInfo, lap: int) -> Sample:
        sample_id = f"{a.name}~{b.name}#{lap}"
        scenes = (a.scene, b.scene)
        try:
            for sequence in (a, b):
                if sequence.problem:
                    raise SampleError(sequence.problem)
            clips = tuple(self._clip(sequence, sample_id) for sequence in (a, b))
        except SampleError as error:
            return Sample(sample_id, scenes, (), str(error))
        return Sample(sample_id, scenes, clips)

    def _clip(self, sequence: SequenceInfo, sample_id: str) -> Clip:
        """Contexts span the window; targets lie equally spaced inside it and share its middle frame."""
        first, last = draw_window(sequence, self.span, generator(self.seed, self.name, sample_id, sequence.name))
        margin = (last - first) / 8
        return Clip(
            sequence.name,
            equally_spaced(first, last, self.options.context),
            equally_spaced(first + margin, last - margin, self.options.target),
        )

    def target_pose(self, card: Card) -> TargetPose:
        """Always from another clip."""
        return first_supported(card, (TargetPose.TRANSFER,), None)

    def render(self, batch: Sequence[Loaded], method: Method) -> Tensor:
        """Encode A's poses from all of A, B's scene from B's context alone; only a PoseCode passes from A to B."""
        pairs = [_pair(loaded) for loaded in batch]
        ids = [loaded.sample.id for loaded in batch]
        device = pairs[0].a.images.device
        context_a = positions_of([pair.clip_a.context_positions for pair in pairs], device)
        target_a = positions_of([pair.clip_a.target_positions for pair in pairs], device)
        views_a = Views.of([pair.a for pair in pairs], ids, method.card.needs, device)
        context_b = [pair.b.take(pair.clip_b.context_positions) for pair in pairs]
        views_b = Views.of(context_b, ids, method.card.needs, device)
        poses_a = method.encode_poses(views_a, context_a).take(target_a).without_intrinsics()
        everything = torch.arange(self.options.context, device=device).expand(len(batch), -1)
        scene = method.encode_scene(views_b, method.encode_poses(views_b, everything))
        return method.render(scene, poses_a)

    def score(self, batch: Sequence[Loaded], renders: Tensor, target_pose: TargetPose) -> list[Scored]:
        """Ask the oracle about A's real targets and, separately, about the renders; compare with the truth."""
        pairs = [_pair(loaded) for loaded in batch]
        targets = [pair.a.take(pair.clip_a.target_positions) for pair in pairs]
        on_real = self.oracle.estimate(torch.stack([target.images for target in targets]), None)
        on_renders = self.oracle.estimate(renders, None)
        return [
            self._score_one(pair, target, _one(on_real, i), _one(on_renders, i), renders[i], target_pose)
            for i, (pair, target) in enumerate(zip(pairs, targets, strict=True))
        ]

    def _score_one(
        self, pair: Pair, target: Frames, real: Estimate, render: Estimate, images: Tensor, source: TargetPose
    ) -> Scored:
        scores = pose_scores(render.w2c, real.w2c)
        row: dict[str, Value] = {
            "pose_from": pair.clip_a.sequence,
            "scene_from": pair.clip_b.sequence,
            "target_pose": source.value,
            "oracle_on_real": real.reasons[0] or "ok",
            "oracle_on_render": render.reasons[0] or "ok",
            **scores.row(),
        }
        arrays = scores.arrays()
        context_b = pair.b.take(pair.clip_b.context_positions)
        pictures = {
            "context frames of B": context_b.images,
            "targets of A, which give the poses": target.images,
            "renders of B at the poses of A": images,
        }
        if target.cameras is not None:
            for name, estimate in (("render_vs_truth.", render), ("real_vs_truth.", real)):
                against = pose_scores(estimate.w2c, target.cameras.w2c[None].cpu())
                row |= against.row(name)
                arrays |= against.arrays(name)
        if isinstance(self.dataset, KnownWorld):
            motion = _motion(pair, target)
            truth = self._truth(pair, context_b, motion)
            row |= transfer_error(truth, context_b, motion, images)
            pictures["exact transfer: B seen along the motion of A"] = truth.images
        return Scored(row, arrays, pictures)

    def _truth(self, pair: Pair, context_b: Frames, motion: Tensor) -> Frames:
        """The exact transferred views; kept for the other methods of the same pass over the data."""
        key = (pair.clip_a, pair.clip_b)
        if key not in self._truths:
            assert isinstance(self.dataset, KnownWorld)
            while len(self._truths) >= TRUTHS_KEPT:
                del self._truths[next(iter(self._truths))]
            self._truths[key] = transferred_view(self.dataset, context_b, pair.clip_b, motion)
        return self._truths[key]

    def summarise(self, rows: pd.DataFrame) -> Summary:
        """Means over pairs whose real clip the oracle could read.

        Every accuracy stands twice: over the renders the oracle could read, and, marked ``|failed=90``, with
        the others counted as 90 degrees off, which is zero at every threshold.
        """
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        readable = scored[scored["oracle_on_real"] == "ok"]
        failed = readable["oracle_on_render"] != "ok"
        accuracies = [key for key in map(str, readable) if "@" in key and not key.startswith("real_vs_truth")]
        values = {key: readable[key] for key in accuracies}
        values |= {f"{key}|failed=90": readable[key].mask(failed, 0.0) for key in accuracies}
        values["oracle_failed"] = failed.astype(float)
        metrics = intervals(readable, values)
        of_all = [key for key in map(str, scored) if key.startswith(("exact_", "real_vs_truth"))]
        metrics |= intervals(scored, {key: scored[key] for key in of_all})
        return Summary(
            metrics,
            counts={
                "oracle failed on the real clip": len(scored) - len(readable),
                "oracle failed on the render": int(failed.sum()),
            },
            references={"chance (closed form)": _chance()},
        )


def _pair(loaded: Loaded) -> Pair:
    (a, b), (clip_a, clip_b) = loaded.frames, loaded.sample.clips
    return Pair(a, b, clip_a, clip_b)


def _one(estimate: Estimate, index: int) -> Estimate:
    return Estimate(estimate.w2c[index : index + 1], estimate.reasons[index : index + 1])


def _motion(pair: Pair, target: Frames) -> Tensor:
    """A's target cameras [T, 4, 4] relative to A's reference camera, exactly."""
    assert pair.a.cameras is not None and target.cameras is not None
    reference = reference_of(torch.tensor([pair.clip_a.context_positions]))
    return relative_to(target.cameras.w2c, pair.a.cameras.w2c[int(reference)])


def _chance() -> dict[str, float]:
    """Correct rotations with uniformly random translation directions: what a method gets for knowing nothing."""
    floor = {f"auc_exact_signed@{t}": chance_floor(t, signed=True) for t in THRESHOLDS}
    return floor | {f"auc_xfactor_folded@{t}": chance_floor(t, signed=False) for t in THRESHOLDS}
