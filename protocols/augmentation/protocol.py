"""Augmentation transfer, `augmentation@2`: poses of one augmentation, rendered in another (XFactor, Table 5).

Docs: docs/protocols/augmentation.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import pandas as pd
import torch
from torch import Tensor

from evalkit.card import TargetPose
from evalkit.data.augment import draw
from evalkit.data.dataset import Dataset
from evalkit.method import Method
from evalkit.metrics.named import computable, image_scores
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import RENDERS, Arrays, Loaded, Predictions, Scored, Summary, Value
from evalkit.seeds import generator
from protocols.augmentation.options import AugmentationOptions
from protocols.augmentation.plan import AugmentationPlan
from protocols.shared.half_blind import HALF_BLIND, KEYS, half_blind_scores
from protocols.shared.summaries import image_intervals, scored_rows
from protocols.shared.transfer import Pair, render_transfer

FIRST = "augmentation_"  # before a metric's name: of augmentation 1 of the targets, which no method changes
KEPT_CLIPS = 16  # augmented clips, for the other methods of the same pass over the data


class Augmentation(AugmentationPlan):
    """Renders augmentation 2 of a clip at the poses of augmentation 1, and compares with augmentation 2."""

    def __init__(self, options: AugmentationOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        super().__init__(options, dataset, oracle, seed)
        self.metrics = computable(options.metrics)
        self.augmented = lru_cache(KEPT_CLIPS)(self._augmented)

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Renders of augmentation 2 at the poses of augmentation 1, of whole targets and of their left halves."""
        pairs = [self.augmented(loaded) for loaded in batch]
        renders = {RENDERS: render_transfer(pairs, method)}
        if method.card.from_files:
            return renders
        return renders | {HALF_BLIND: render_transfer(pairs, method, is_half_blind=True).clamp(0, 1)}

    def _augmented(self, loaded: Loaded) -> Loaded:
        """The clip in both augmentations: 1, which gives the poses, and 2, which gives the scene.

        They depend on the seed and the sample's id alone.
        """
        frames, sample = loaded.frames[0], loaded.sample
        rngs = [generator(self.seed, self.name, sample.id, which) for which in ("first", "second")]
        images = [draw(rng, self.options.augment).apply(frames.images) for rng in rngs]
        twice = replace(sample, clips=sample.clips[:1] * 2)
        return Loaded(twice, (replace(frames, images=images[0]), replace(frames, images=images[1])))

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Every metric of each target against augmentation 2, of the renders and of augmentation 1 itself."""
        pairs = [Pair.of(self.augmented(loaded)) for loaded in batch]
        renders = predictions[RENDERS]
        truth = torch.stack([pair.b.images[list(pair.clip_b.target_positions)] for pair in pairs])
        scores = self._scores("", renders, truth)
        scores |= self._scores(FIRST, torch.stack([pair.targets.images for pair in pairs]), truth)
        blind = [
            half_blind_scores(pair.b, pair.clip_b, shown) if shown is not None else Scored({})
            for pair, shown in zip(pairs, predictions.get(HALF_BLIND, [None] * len(pairs)), strict=True)
        ]
        return [
            Scored(
                row=_row(pair, target_pose)
                | blind[i].row
                | {name: float(values[i].mean()) for name, values in scores.items()},
                arrays={name: values[i] for name, values in scores.items()} | blind[i].arrays,
                pictures={
                    "context, augmentation 2": pair.context.images,
                    "targets, augmentation 1, which give the poses": pair.targets.images,
                    "targets, augmentation 2": truth[i],
                    "renders": renders[i],
                    **blind[i].pictures,
                },
            )
            for i, pair in enumerate(pairs)
        ]

    def _scores(self, prefix: str, images: Tensor, truth: Tensor) -> dict[str, Tensor]:
        """Each metric [B, T] of images [B, T, 3, H, W], its name after ``prefix``."""
        scores = image_scores(self.metrics, images.flatten(0, 1), truth.flatten(0, 1))
        return {prefix + name: values.view(truth.shape[:2]).cpu() for name, values in scores.items()}

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Means over clips, clustered by scene; beside them what augmentation 1 itself would score."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        copied = scored.assign(**{name: scored[FIRST + name] for name in self.metrics})
        reference = {name: interval.mean for name, interval in image_intervals(copied, self.metrics).items()}
        keys = [key for key in (*KEYS, *self.metrics) if key in scored]
        return Summary(image_intervals(scored, keys), references={"returning augmentation 1": reference})


def _row(pair: Pair, source: TargetPose) -> dict[str, Value]:
    clip = pair.clip_a
    return {"sequence": clip.sequence, "target_pose": source.value, "n_target": len(clip.target)}
