"""nvs@3: novel view synthesis between context frames of one clip (RayZer, Tables 1-3), on drawn or published frames.

Docs: docs/protocols/nvs.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor

from evalkit.card import TargetPose
from evalkit.data.dataset import Dataset
from evalkit.geometry.rotations import rotation_residual
from evalkit.index.entries import IndexEntry
from evalkit.index.slices import Bucket, bucket_of, duplicate_targets
from evalkit.method import Method
from evalkit.metrics.named import computable, image_scores
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import RENDERS, Arrays, Loaded, Predictions, Sample, Scored, Summary, Value
from evalkit.stats.interval import Interval
from protocols.nvs.alignment import align_free, align_se3
from protocols.nvs.options import NvsOptions
from protocols.nvs.plan import DEDUP, NvsPlan
from protocols.shared.half_blind import HALF_BLIND, KEYS, half_blind, half_blind_scores
from protocols.shared.summaries import image_intervals, scored_rows, slices_of
from protocols.shared.target_poses import Batch, encode

ALIGNMENTS = {TargetPose.ALIGNED_SE3: align_se3, TargetPose.ALIGNED_FREE: align_free}
ALIGNED_W2C = "aligned_w2c"  # [B, T, 4, 4], of the aligned sources
UNSCORED = "unscored_columns"  # [B], pixel columns at the left that a pose has seen, where a method's card says so
RIGHT_HALF = "image metrics over the right half of each target: its left half gave the pose"
RESIDUAL = "rotation_residual"


class Nvs(NvsPlan):
    """Renders the targets of clips and compares them with the real frames."""

    def __init__(self, options: NvsOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        super().__init__(options, dataset, oracle, seed)
        self.metrics = computable(options.metrics)
        self.entries = {entry.id: entry for entry in self.index.entries} if self.index else {}

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Encode poses and scene, render the targets; aligned poses are kept beside the renders.

        Then the same with the right halves of the targets hidden: of the wide clip, or of the list's own frames.
        """
        clips = Batch.of(batch, method)
        predictions = self._render(clips, method, clips.views.images.shape[-1])
        if not method.card.from_files:
            hidden = half_blind(Batch.of(batch, method, -1))
            blind = self._render(hidden, method, hidden.views.images.shape[-1] // 2)
            predictions[HALF_BLIND] = blind[RENDERS].clamp(0, 1)
        if method.card.score_region == "all":
            return predictions
        return {**predictions, UNSCORED: torch.full((len(batch),), predictions[RENDERS].shape[-1] // 2)}

    def _render(self, clips: Batch, method: Method, columns: int) -> dict[str, Tensor]:
        """Render the targets. Where poses are aligned, they see so many columns at the left of the target images."""
        source = self.target_pose(method.card)
        poses = encode(clips, method, source)
        scene = method.encode_scene(clips.views.take(clips.context), poses.context)
        if source not in ALIGNMENTS:
            return {RENDERS: method.render(scene, poses.target)}
        truth = clips.views.take(clips.target).images[..., :columns]
        align = ALIGNMENTS[source]
        renders, w2c = align(lambda moved: method.render(scene, moved), poses.target, truth, self.options.align)
        return {RENDERS: renders, ALIGNED_W2C: w2c}

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Every metric of each target; the row holds their means."""
        renders = predictions[RENDERS]
        truth = torch.stack([_images(loaded, loaded.sample.clips[0].target_positions) for loaded in batch])
        unscored = int(predictions[UNSCORED][0]) if UNSCORED in predictions else 0
        scores = self._scores(renders, truth, unscored)
        blind = self._half_blind(batch, predictions.get(HALF_BLIND))
        common: dict[str, Value] = {"target_pose": target_pose.value}
        if unscored:
            common["score_region"] = "right_half"
        residuals = _residuals(predictions)
        return [
            Scored(
                row=self._row(loaded.sample, scores[i]) | blind[i].row | common | residuals[i],
                arrays=scores[i] | blind[i].arrays,
                pictures={
                    "context": _images(loaded, loaded.sample.clips[0].context_positions),
                    "targets": truth[i],
                    "renders": renders[i],
                    **blind[i].pictures,
                },
            )
            for i, loaded in enumerate(batch)
        ]

    def _half_blind(self, batch: Sequence[Loaded], renders: Tensor | None) -> list[Scored]:
        """The half-blind numbers of the last clip of each sample; nothing where there are only renders of the first."""
        if renders is None:
            return [Scored({}) for _ in batch]
        return [
            half_blind_scores(loaded.frames[-1], loaded.sample.clips[-1], shown)
            for loaded, shown in zip(batch, renders, strict=True)
        ]

    def _scores(self, renders: Tensor, truth: Tensor, unscored: int) -> list[dict[str, Tensor]]:
        """For each sample, each metric of its targets [T]; of images [B, T, 3, H, W] without columns at the left."""
        scores = image_scores(self.metrics, *(images.flatten(0, 1)[..., unscored:] for images in (renders, truth)))
        by_name = {name: values.view(truth.shape[:2]).cpu() for name, values in scores.items()}
        return [{name: values[i] for name, values in by_name.items()} for i in range(len(truth))]

    def _row(self, sample: Sample, scores: Mapping[str, Tensor]) -> dict[str, Value]:
        clip = sample.clips[0]
        row: dict[str, Value] = {
            "sequence": clip.sequence,
            "frames": self.index.name if self.index else f"{self.options.sampling.value} seed {self.seed}",
            "n_context": len(clip.context),
            "n_target": len(clip.target),
        }
        row |= {name: float(values.mean()) for name, values in scores.items()}
        return row | self._list_row(sample, scores)

    def _list_row(self, sample: Sample, scores: Mapping[str, Tensor]) -> dict[str, Value]:
        """What only a published list gives: overlap of the context, and scores without targets that are context."""
        entry, clip = self.entries.get(sample.id), sample.clips[0]
        if entry is None:
            return {}
        # Clip orders frames in time; arrays follow it, and so must the marks of duplicates
        in_time = IndexEntry(clip.sequence, clip.context, tuple(sorted(clip.target)))
        duplicate = torch.tensor(duplicate_targets(in_time))
        row: dict[str, Value] = {
            "overlap": bucket_of(entry.overlap, self.options.overlap).value,
            "duplicates": int(duplicate.sum()),
        }
        # a mean over nothing is NaN: where all targets are context frames, the entry has no score without them
        return row | {f"{name}|{DEDUP}": float(values[~duplicate].mean()) for name, values in scores.items()}

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Means over clips, clustered by scene; by overlap of the context where a published list says it."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        names = self.options.metrics
        keys = (*KEYS, *names, *(f"{name}|{DEDUP}" for name in names), RESIDUAL)
        metrics = image_intervals(scored, [key for key in keys if key in scored])
        notes = (*self.clips.notes, *((RIGHT_HALF,) if "score_region" in scored else ()))
        return Summary(metrics, slices=self._by_overlap(scored), notes=notes)

    def _by_overlap(self, scored: pd.DataFrame) -> dict[str, Interval]:
        """The first metric over the clips of each bucket of overlap."""
        if not self.metrics or "overlap" not in scored or set(scored["overlap"]) <= {Bucket.UNKNOWN.value}:
            return {}
        buckets = scored["overlap"].astype(pd.CategoricalDtype([bucket.value for bucket in Bucket]))
        return slices_of(scored, scored[self.metrics[0]], buckets.cat.remove_unused_categories())


def _images(loaded: Loaded, positions: Sequence[int]) -> Tensor:
    return loaded.frames[0].images[list(positions)]


def _residuals(predictions: Predictions) -> list[dict[str, Value]]:
    """For each sample, how far aligned matrices are from rotations; nothing where poses are not aligned."""
    if ALIGNED_W2C not in predictions:
        return [{} for _ in predictions[RENDERS]]
    residual = rotation_residual(predictions[ALIGNED_W2C][..., :3, :3]).cpu()
    return [{RESIDUAL: float(values.mean())} for values in residual]
