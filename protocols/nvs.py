"""nvs@2: novel view synthesis between context frames of one clip (RayZer, Tables 1-3), on drawn or published frames.

Docs: docs/protocols/nvs.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from math import gcd
from typing import Annotated, NamedTuple

import pandas as pd
import torch
from pydantic import Field, field_validator
from torch import Tensor

from evalkit.config.options import ComponentOptions
from evalkit.data.dataset import Dataset, SequenceInfo
from evalkit.data.preprocess import Preprocess, Profile
from evalkit.errors import SampleError, UserError, did_you_mean
from evalkit.index.entries import Entry
from evalkit.index.find import load
from evalkit.index.released import evaluated_by_released_code
from evalkit.index.samples import samples_of
from evalkit.index.slices import Bucket, Rule, bucket_of, duplicate_targets
from evalkit.method import Card, Method, TargetPose
from evalkit.metrics.named import IMAGE_METRICS, image_scores, unavailable
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import RENDERS, Arrays, Clip, Column, Loaded, Predictions, Sample, Scored, Summary, Value
from evalkit.seeds import generator
from protocols.alignment import AlignOptions, align_free, align_se3, rotation_residual
from protocols.common import first_supported, image_columns, image_intervals, scored_rows, slices_of
from protocols.target_poses import Batch, encode
from protocols.windows import draw_window

ALIGNMENTS = {TargetPose.ALIGNED_SE3: align_se3, TargetPose.ALIGNED_FREE: align_free}
SOURCES = (TargetPose.GIVEN, TargetPose.JOINT, TargetPose.CONTEXT_ONLY, *ALIGNMENTS)


class Counts(NamedTuple):
    """Context and target views, the range of window lengths in frames, inclusive, and how frames become squares."""

    context: int
    target: int
    span: tuple[int, int]
    preprocess: Profile = Profile.PIXELSPLAT


# The first three as published (RayZer, implementation details; its code resizes to multiples of 16); the window is
# measured in frames of the sequence as stored. The others are ours.
PROFILES = {
    "dl3dv": Counts(16, 8, (64, 96), Profile.LVSM_P16),
    "re10k": Counts(5, 5, (128, 192), Profile.LVSM_P16),
    "objaverse": Counts(12, 8, (50, 65), Profile.LVSM_P16),
    "procedural": Counts(5, 3, (24, 48)),
    "clip": Counts(5, 3, (8, 14)),
}


class Sampling(StrEnum):
    """How the frames of a window are split into context and target."""

    EVEN = "even"
    RANDOM = "random"


class NvsOptions(ComponentOptions):
    """Settings of nvs; what is null comes from the profile."""

    profile: str
    index: str | None
    drop_last: tuple[int, int] | None
    overlap: Rule
    sampling: Sampling
    context: Annotated[int, Field(ge=2)] | None
    target: Annotated[int, Field(ge=1)] | None
    span: tuple[int, int] | None
    clips: Annotated[int, Field(ge=1)]
    target_pose: TargetPose | None
    align: AlignOptions
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]
    resolution: Annotated[int, Field(ge=16)]
    preprocess: Profile | None

    @field_validator("metrics")
    @classmethod
    def _metrics_exist(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in IMAGE_METRICS]
        if unknown:
            raise ValueError(f"no metric '{unknown[0]}'{did_you_mean(unknown[0], IMAGE_METRICS)}")
        return names


class Nvs:
    """Held-out frames of a clip rendered from its other frames: PSNR, SSIM, LPIPS (RayZer, Tables 1-3)."""

    Options = NvsOptions
    name, version, uses_oracle = "nvs", "2", False

    def __init__(self, options: NvsOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        if options.profile not in PROFILES:
            raise UserError(f"protocol.profile: no '{options.profile}'{did_you_mean(options.profile, PROFILES)}")
        profile = PROFILES[options.profile]
        self.options, self.dataset, self.seed = options, dataset, seed
        self.counts = Counts(
            options.context or profile.context,
            options.target or profile.target,
            options.span or profile.span,
            options.preprocess or profile.preprocess,
        )
        views = self.counts.context + self.counts.target
        if not views - 1 <= self.counts.span[0] <= self.counts.span[1]:
            raise UserError(
                f"protocol.span={list(self.counts.span)}: expected [shortest,longest] with room for {views} "
                f"different frames, such as protocol.span=[{views - 1},{2 * views}]"
            )
        self.preprocess = Preprocess(options.resolution, self.counts.preprocess)
        self.index = load(options.index).index if options.index else None
        self.entries = {entry.id: entry for entry in self.index.entries} if self.index else {}
        self.metrics = [name for name in options.metrics if name not in unavailable(options.metrics)]
        self.columns = image_columns(options.metrics)
        if self.index:
            self.columns += (Column(f"{options.metrics[0]}|dedup", f"{self.columns[0].title}\ndedup"),)

    def samples(self) -> list[Sample]:
        """The entries of the published list, or ``clips`` windows of each sequence."""
        sequences = self.dataset.sequences()
        if self.index is None:
            planned = [self._sample(each, clip) for each in sequences for clip in range(self.options.clips)]
        else:
            planned = samples_of(self.index, sequences)
        if self.options.drop_last is None:
            return planned
        processes, batch = self.options.drop_last
        return [planned[i] for i in evaluated_by_released_code(len(planned), processes, batch)]

    def _sample(self, sequence: SequenceInfo, number: int) -> Sample:
        sample_id = f"{sequence.name}#{number}"
        rng = generator(self.seed, self.name, sample_id)
        n_context, n_target, span, _ = self.counts
        try:
            if sequence.problem:
                raise SampleError(sequence.problem)
            first, last = draw_window(sequence, span, rng)
        except SampleError as error:
            return Sample(sample_id, (sequence.scene,), (), str(error))
        inner = rng.choice(last - first - 1, size=n_context + n_target - 2, replace=False) + first + 1
        frames = [first, *sorted(int(i) for i in inner), last]
        if self.options.sampling is Sampling.EVEN:
            context = even_split(n_context, n_target)
        else:
            chosen = rng.choice(len(frames) - 2, size=n_context - 2, replace=False) + 1
            context = [0, *sorted(int(i) for i in chosen), len(frames) - 1]
        target = sorted(set(range(len(frames))) - set(context))
        clip = Clip(sequence.name, tuple(frames[i] for i in context), tuple(frames[i] for i in target))
        return Sample(sample_id, (sequence.scene,), (clip,))

    def target_pose(self, card: Card) -> TargetPose:
        """What was asked for, else the first that the method offers of all but `transfer`."""
        return first_supported(card, SOURCES, self.options.target_pose)

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Encode poses and scene, render the targets; aligned poses are kept beside the renders."""
        source = self.target_pose(method.card)
        seen = Batch.of(batch, method)
        poses = encode(seen, method, source)
        scene = method.encode_scene(seen.views.take(seen.context), poses.context)
        if source not in ALIGNMENTS:
            return {RENDERS: method.render(scene, poses.target)}
        truth = seen.views.take(seen.target).images
        align = ALIGNMENTS[source]
        renders, w2c = align(lambda moved: method.render(scene, moved), poses.target, truth, self.options.align)
        return {RENDERS: renders, "aligned_w2c": w2c}

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Every metric of each target; the row holds their means."""
        renders = predictions[RENDERS]
        truth = torch.stack([one.frames[0].images[list(one.sample.clips[0].target_positions)] for one in batch])
        found = image_scores(self.metrics, renders.flatten(0, 1), truth.flatten(0, 1))
        scores = {name: values.view(truth.shape[:2]).cpu() for name, values in found.items()}
        residual = rotation_residual(predictions["aligned_w2c"]).cpu() if "aligned_w2c" in predictions else None
        return [
            Scored(
                row=self._row(one.sample, {name: values[i] for name, values in scores.items()})
                | {"target_pose": target_pose.value}
                | ({} if residual is None else {"rotation_residual": float(residual[i].mean())}),
                arrays={name: values[i] for name, values in scores.items()},
                pictures={
                    "context": one.frames[0].images[list(one.sample.clips[0].context_positions)],
                    "targets": truth[i],
                    "renders": renders[i],
                },
            )
            for i, one in enumerate(batch)
        ]

    def _row(self, sample: Sample, scores: dict[str, Tensor]) -> dict[str, Value]:
        clip = sample.clips[0]
        row: dict[str, Value] = {
            "sequence": clip.sequence,
            "frames": self.index.name if self.index else f"{self.options.sampling.value} seed {self.seed}",
            "n_context": len(clip.context),
            "n_target": len(clip.target),
        }
        row |= {name: float(values.mean()) for name, values in scores.items()}
        entry = self.entries.get(sample.id)
        if entry is None:
            return row
        # Clip orders frames in time; arrays follow it, and so must the marks of duplicates
        again = torch.tensor(duplicate_targets(Entry(clip.sequence, clip.context, tuple(sorted(clip.target)))))
        row |= {"overlap": bucket_of(entry.overlap, self.options.overlap).value, "duplicates": int(again.sum())}
        # a mean over nothing is NaN: an entry whose targets are all given away has no score of its own
        return row | {f"{name}|dedup": float(values[~again].mean()) for name, values in scores.items()}

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Means over clips, clustered by scene; by overlap of the context where a published list says it."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        keys = [key for key in map(str, scored) if key.removesuffix("|dedup") in IMAGE_METRICS]
        metrics = image_intervals(scored, [*keys, *(["rotation_residual"] if "rotation_residual" in scored else [])])
        first = self.metrics[0] if self.metrics else None
        if first is None or "overlap" not in scored or set(scored["overlap"]) <= {Bucket.UNKNOWN.value}:
            return Summary(metrics)
        buckets = scored["overlap"].astype(pd.CategoricalDtype([bucket.value for bucket in Bucket]))
        return Summary(metrics, slices=slices_of(scored, scored[first], buckets.cat.remove_unused_categories()))


def even_split(n_context: int, n_target: int) -> list[int]:
    """Ranks of the context among n_context + n_target frames in temporal order, RayZer's *even* sampling.

    gcd(n_context, n_target) equal blocks, in each first the context, then the targets; at the end the last
    context and the last target change places, so that the clip ends on a context frame.

    >>> "".join("c" if i in even_split(16, 8) else "T" for i in range(24))
    'ccTccTccTccTccTccTccTcTc'
    """
    blocks = gcd(n_context, n_target)
    per_block, block = n_context // blocks, (n_context + n_target) // blocks
    context = [b * block + i for b in range(blocks) for i in range(per_block)]
    return [*context[:-1], n_context + n_target - 1]
