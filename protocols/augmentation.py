"""Augmentation transfer, `augmentation@1`: the pose from one look of a clip, rendered in another (XFactor, Table 5).

Docs: docs/protocols/augmentation.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import pandas as pd
import torch

from evalkit.card import Card, TargetPose
from evalkit.data.augment import AugmentOptions, draw
from evalkit.data.dataset import Dataset, SequenceInfo
from evalkit.errors import SampleError
from evalkit.method import Method
from evalkit.metrics.named import MetricNames, computable, image_scores
from evalkit.oracles.oracle import Oracle
from evalkit.pixels import Preprocess
from evalkit.protocol import RENDERS, Arrays, Loaded, Predictions, Sample, Scored, Summary, Value
from evalkit.seeds import generator
from protocols.shared.summaries import first_supported, image_columns, image_intervals, scored_rows
from protocols.shared.transfer import Pair, TransferOptions, TransferPlanner, render_transfer

BETWEEN = "augmentation_"  # before a metric's name: of the targets of both augmentations, without any method
KEPT = 16  # augmented clips, for the other methods of the same pass over the data


class AugmentationOptions(TransferOptions):
    """Settings of augmentation: beside those of the transfer, how a clip is changed and how renders are compared."""

    augment: AugmentOptions
    metrics: MetricNames


class AugmentedClips(TransferPlanner):
    """Windows as `tps` has them; a clip is paired with itself."""

    def samples(self) -> list[Sample]:
        """``pairs`` clips of each sequence, without the targets that are context frames: those need no pose."""
        sequences = self.dataset.sequences()
        return [self._alone(sequence, lap) for lap in range(self.options.pairs) for sequence in sequences]

    def _alone(self, sequence: SequenceInfo, lap: int) -> Sample:
        sample_id = f"{sequence.name}#{lap}"
        try:
            if sequence.problem:
                raise SampleError(sequence.problem)
            clip = self.clip(sequence, sample_id)
            unseen = tuple(number for number in clip.target if number not in clip.context)
            if not unseen:
                raise SampleError(f"{sequence.name}: every target of the window is a context frame")
        except SampleError as error:
            return Sample(sample_id, (sequence.scene,), (), str(error))
        return Sample(sample_id, (sequence.scene,), (replace(clip, target=unseen),))


class AugmentationTransfer:
    """Poses from one look of a clip, rendered in another look of it: PSNR, SSIM, LPIPS, no oracle (XFactor, Table 5)"""

    Options = AugmentationOptions
    name, version, uses_oracle = "augmentation", "1", False

    def __init__(self, options: AugmentationOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        self.options, self.seed = options, seed
        self.clips = AugmentedClips(options, dataset, seed)
        self.preprocess = Preprocess(options.resolution, options.preprocess)
        self.metrics = computable(options.metrics)
        self.columns = image_columns(options.metrics)
        self.augmented = lru_cache(KEPT)(self._augmented)

    def samples(self) -> list[Sample]:
        """AugmentedClips, see `AugmentedClips.samples`."""
        return self.clips.samples()

    def target_pose(self, card: Card) -> TargetPose:
        """Always from the other augmentation."""
        return first_supported(card, (TargetPose.TRANSFER,), None)

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Renders of augmentation 2 at the poses of augmentation 1."""
        return {RENDERS: render_transfer([self.augmented(loaded) for loaded in batch], method)}

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
        truth = torch.stack([pair.b.images[list(pair.clip_b.target_positions)] for pair in pairs])
        looks = {"": predictions[RENDERS], BETWEEN: torch.stack([pair.targets.images for pair in pairs])}
        scores = {
            prefix + name: values.view(truth.shape[:2]).cpu()
            for prefix, images in looks.items()
            for name, values in image_scores(self.metrics, images.flatten(0, 1), truth.flatten(0, 1)).items()
        }
        return [
            Scored(
                row=_row(pair, target_pose) | {name: float(values[i].mean()) for name, values in scores.items()},
                arrays={name: values[i] for name, values in scores.items()},
                pictures={
                    "context, augmentation 2": pair.context.images,
                    "targets, augmentation 1, which give the poses": pair.targets.images,
                    "targets, augmentation 2": truth[i],
                    "renders": predictions[RENDERS][i],
                },
            )
            for i, pair in enumerate(pairs)
        ]

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Means over clips, clustered by scene; beside them what augmentation 1 itself would score."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        copied = scored.assign(**{name: scored[BETWEEN + name] for name in self.metrics})
        found = {name: each.mean for name, each in image_intervals(copied, self.metrics).items()}
        return Summary(image_intervals(scored, self.metrics), references={"returning augmentation 1": found})


def _row(pair: Pair, source: TargetPose) -> dict[str, Value]:
    clip = pair.clip_a
    return {"sequence": clip.sequence, "target_pose": source.value, "n_target": len(clip.target)}
