"""nvs@2: novel view synthesis between context frames of one clip (RayZer, Tables 1-3), on drawn or published frames.

Docs: docs/protocols/nvs.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from evalkit.card import Card, TargetPose
from evalkit.data.dataset import Dataset
from evalkit.index.entries import IndexEntry
from evalkit.index.released import evaluated_by_released_code
from evalkit.index.slices import Bucket, Rule, bucket_of, duplicate_targets
from evalkit.method import Method
from evalkit.metrics.named import MetricNames, computable, image_scores, is_image_metric
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import RENDERS, Arrays, Column, Loaded, Predictions, Sample, Scored, Summary, Value
from protocols.nvs.alignment import AlignOptions, align_free, align_se3, rotation_residual
from protocols.shared.clips import ClipOptions, ClipPlanner
from protocols.shared.summaries import first_supported, image_columns, image_intervals, scored_rows, slices_of
from protocols.shared.target_poses import Batch, encode

ALIGNMENTS = {TargetPose.ALIGNED_SE3: align_se3, TargetPose.ALIGNED_FREE: align_free}
SOURCES = (TargetPose.GIVEN, TargetPose.JOINT, TargetPose.CONTEXT_ONLY, *ALIGNMENTS)
UNSCORED = "unscored_columns"  # [B], how many at the left a pose has seen, of a method whose card says so
RIGHT_HALF = "image metrics over the right half of each target: its left half gave the pose"


class NvsOptions(ClipOptions):
    """Settings of nvs: beside the frames, which of a list count how, target poses, and how renders are compared."""

    target: Annotated[int, Field(ge=1)] | None
    drop_last: tuple[int, int] | None
    overlap: Rule
    target_pose: TargetPose | None
    align: AlignOptions
    metrics: MetricNames


class Nvs:
    """Held-out frames of a clip rendered from its other frames: PSNR, SSIM, LPIPS (RayZer, Tables 1-3)."""

    Options = NvsOptions
    name, version, uses_oracle = "nvs", "2", False

    def __init__(self, options: NvsOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        self.options, self.seed = options, seed
        self.clips = ClipPlanner(options, dataset, seed)
        self.preprocess, self.index = self.clips.preprocess, self.clips.index
        self.entries = {entry.id: entry for entry in self.index.entries} if self.index else {}
        self.metrics = computable(options.metrics)
        self.columns = image_columns(options.metrics)
        if self.index:
            self.columns += (Column(f"{options.metrics[0]}|dedup", f"{self.columns[0].title}\ndedup"),)

    def samples(self) -> list[Sample]:
        """The entries of the published list, or ``clips`` windows of each sequence."""
        planned = self.clips.samples()
        if self.options.drop_last is None:
            return planned
        processes, batch = self.options.drop_last
        return [planned[i] for i in evaluated_by_released_code(len(planned), processes, batch)]

    def target_pose(self, card: Card) -> TargetPose:
        """What was asked for, else the first that the method offers of all but `transfer`."""
        return first_supported(card, SOURCES, self.options.target_pose)

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Encode poses and scene, render the targets; aligned poses are kept beside the renders."""
        found = self._rendered(batch, method)
        if method.card.score_region == "all":
            return found
        return {**found, UNSCORED: torch.full((len(batch),), found[RENDERS].shape[-1] // 2)}

    def _rendered(self, batch: Sequence[Loaded], method: Method) -> Predictions:
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
        first = int(predictions[UNSCORED][0]) if UNSCORED in predictions else 0
        found = image_scores(self.metrics, *(images.flatten(0, 1)[..., first:] for images in (renders, truth)))
        scores = {name: values.view(truth.shape[:2]).cpu() for name, values in found.items()}
        residual = rotation_residual(predictions["aligned_w2c"]).cpu() if "aligned_w2c" in predictions else None
        return [
            Scored(
                row=self._row(one.sample, {name: values[i] for name, values in scores.items()})
                | {"target_pose": target_pose.value}
                | ({"score_region": "right_half"} if first else {})
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
        again = torch.tensor(duplicate_targets(IndexEntry(clip.sequence, clip.context, tuple(sorted(clip.target)))))
        row |= {"overlap": bucket_of(entry.overlap, self.options.overlap).value, "duplicates": int(again.sum())}
        # a mean over nothing is NaN: an entry whose targets are all given away has no score of its own
        return row | {f"{name}|dedup": float(values[~again].mean()) for name, values in scores.items()}

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Means over clips, clustered by scene; by overlap of the context where a published list says it."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        keys = [key for key in map(str, scored) if is_image_metric(key.removesuffix("|dedup"))]
        metrics = image_intervals(scored, [*keys, *(["rotation_residual"] if "rotation_residual" in scored else [])])
        notes = (RIGHT_HALF,) if "score_region" in scored else ()
        first = self.metrics[0] if self.metrics else None
        if first is None or "overlap" not in scored or set(scored["overlap"]) <= {Bucket.UNKNOWN.value}:
            return Summary(metrics, notes=notes)
        buckets = scored["overlap"].astype(pd.CategoricalDtype([bucket.value for bucket in Bucket]))
        slices = slices_of(scored, scored[first], buckets.cat.remove_unused_categories())
        return Summary(metrics, slices=slices, notes=notes)
