"""`fid@1`: do transferred views look like frames of the dataset? FID and KID, with N and a floor at the same N.

Docs: docs/protocols/fid.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field
from torch import Tensor

from evalkit.card import Card, TargetPose
from evalkit.data.dataset import Dataset
from evalkit.method import Method
from evalkit.metrics import set_distance
from evalkit.metrics.image import quantised
from evalkit.metrics.inception import inception_features
from evalkit.metrics.set_distance import Distance
from evalkit.oracles.oracle import Oracle
from evalkit.pixels import Preprocess
from evalkit.protocol import RENDERS, Arrays, Clip, Column, Loaded, Predictions, Sample, Scored, Summary, Value
from evalkit.seeds import generator
from evalkit.stats.bootstrap import Interval, mean_interval
from evalkit.weights.store import absent
from protocols.shared.summaries import first_supported, scored_rows
from protocols.shared.transfer import Pair, TransferOptions, TransferPlanner, render_transfer

NETWORKS = ("inception",)
DIMENSION = 2048  # of Inception's features


class FidOptions(TransferOptions):
    """Settings of fid: beside those of the transfer, how KID is averaged, and whether frames pass through 8 bits."""

    quantise: bool
    subsets: Annotated[int, Field(ge=1)]
    subset_size: Annotated[int, Field(ge=2)]


class Fid:
    """Renders of scene B at clip A's poses against real frames of B, as two sets: FID and KID (XFactor, Table 1)."""

    Options = FidOptions
    name, version, uses_oracle = "fid", "1", False
    columns = (
        Column("fid", "FID", networks=NETWORKS),
        Column("kid", "KID\n×1000", 1000, networks=NETWORKS),
        Column("frames", "N\nframes", digits=0),
    )

    def __init__(self, options: FidOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        self.options, self.dataset, self.seed = options, dataset, seed
        self.transfers = TransferPlanner(options, dataset, seed)
        self.preprocess = Preprocess(options.resolution, options.preprocess)
        self.has_network = not absent(NETWORKS)
        self._real: dict[str, dict[str, Tensor]] = {}  # features of the last batch, for the other methods of the pass

    def samples(self) -> list[Sample]:
        """The pairs of tps, each with two more clips of B: the reference frames and the second real frames."""
        segments = {
            sequence.name: max(sequence.segments, key=lambda segment: segment[1] - segment[0], default=(0, 0))
            for sequence in self.dataset.sequences()
        }
        return [self._with_real(sample, segments) for sample in self.transfers.samples()]

    def _with_real(self, sample: Sample, segments: dict[str, tuple[int, int]]) -> Sample:
        """Draw as many frames as there are renders, twice over, without replacement from B's longest segment."""
        if sample.problem:
            return sample
        name, count = sample.clips[1].sequence, self.options.target
        start, end = segments[name]
        if end - start < 2 * count:
            problem = f"{name}: needs {2 * count} frames without a jump, has {end - start}"
            return replace(sample, clips=(), problem=problem)
        drawn = start + generator(self.seed, "fid", sample.id).choice(end - start, 2 * count, replace=False)
        reference, second = (tuple(sorted(half.tolist())) for half in np.split(drawn, 2))
        return replace(sample, clips=(*sample.clips, Clip(name, (), reference), Clip(name, (), second)))

    def target_pose(self, card: Card) -> TargetPose:
        """Always from another clip."""
        return first_supported(card, (TargetPose.TRANSFER,), None)

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Renders of B at A's poses."""
        return {RENDERS: render_transfer(batch, method)}

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Keep Inception's features of renders and real frames; a sample alone has no distance."""
        if self.has_network:
            ids = [loaded.sample.id for loaded in batch]
            self._real = {
                sample: self._real.get(sample) or self._real_features(loaded)
                for sample, loaded in zip(ids, batch, strict=True)
            }
        return [
            self._score_one(loaded, renders, target_pose)
            for loaded, renders in zip(batch, predictions[RENDERS], strict=True)
        ]

    def _score_one(self, loaded: Loaded, renders: Tensor, source: TargetPose) -> Scored:
        pair = Pair.of(loaded)
        row: dict[str, Value] = {
            "pose_from": pair.clip_a.sequence,
            "scene_from": pair.clip_b.sequence,
            "target_pose": source.value,
            "frames": len(renders),
        }
        pictures = {
            "context frames of B": pair.context.images,
            "renders of B at the poses of A": renders,
            "reference frames of B": loaded.frames[2].images,
        }
        if not self.has_network:
            return Scored(row, pictures=pictures)
        return Scored(row, {"renders": self._features(renders), **self._real[loaded.sample.id]}, pictures)

    def _real_features(self, loaded: Loaded) -> dict[str, Tensor]:
        reference, second = (self._features(frames.images) for frames in loaded.frames[2:])
        return {"reference": reference, "second": second}

    def _features(self, images: Tensor) -> Tensor:
        """Of one sample's frames at a time, so that they cannot depend on what else is in the batch."""
        return inception_features(quantised(images, "round") if self.options.quantise else images)

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """FID and KID of all renders, and of the second real frames, against the reference frames."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        ids, scenes = scored["sample"].tolist(), [tuple(names) for names in scored["scenes"]]
        count = int(scored["frames"].sum())
        metrics = {"frames": Interval(count, math.nan, math.nan, len(ids), len({s for each in scenes for s in each}))}
        if not self.has_network or count < 2:
            return Summary(metrics)
        for suffix, name in (("", "renders"), ("_floor", "second")):
            kept = _Kept(arrays, ids, name)
            fid = _interval(set_distance.frechet(kept), scenes)
            metrics[f"fid{suffix}"] = replace(fid, low=float(np.maximum(fid.low, 0.0)))  # of which NaN stays NaN
            kid = set_distance.kernel(kept, self.options.subsets, self.options.subset_size)
            metrics[f"kid{suffix}"] = _interval(kid, scenes)
        floor = {key: metrics[f"{key}_floor"].mean for key in ("fid", "kid")}
        return Summary(metrics, references={"real frames of B": floor | {"frames": count}}, notes=self._notes(count))

    def _notes(self, count: int) -> tuple[str, ...]:
        size, subsets = self.options.subset_size, self.options.subsets
        rule = f"all {count} frames of each set" if count <= size else f"mean of {subsets} subsets of {size} frames"
        few = f"FID: {count} frames in {DIMENSION} dimensions, so much of it is bias: look at real frames, and at KID"
        return (f"KID: {rule}", *([few] if count < DIMENSION else []))


@dataclass(frozen=True)
class _Kept:
    """One of the sets and the reference frames, read sample by sample from what the run keeps."""

    arrays: Arrays
    ids: Sequence[str]
    name: str

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        kept = self.arrays(self.ids[index])
        return kept[self.name], kept["reference"]


def _interval(distance: Distance, scenes: Sequence[tuple[str, ...]]) -> Interval:
    """The distance with an interval from its samples' influences, clustered by scene."""
    (found,) = mean_interval((distance.value + distance.influence[:, None]).numpy(), scenes)
    return replace(found, mean=distance.value)
