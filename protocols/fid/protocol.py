"""`fid@2`: do transferred views look like frames of the dataset? FID and KID, with N and a floor at the same N.

FID rewards copies: frames of B in any order, and even frames of A, have the distance of real frames. So it never ranks.
The gain of the exact transfer comes first, where the data can render it; renders must show B and hold no pixel of A.

Docs: docs/protocols/fid.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from torch import Tensor

from evalkit.card import TargetPose
from evalkit.data.dataset import Dataset, KnownWorld
from evalkit.method import Method
from evalkit.metrics import set_distance
from evalkit.metrics.identity import NETWORKS as IDENTITY_NETWORKS
from evalkit.metrics.image import quantised
from evalkit.metrics.inception import inception_features
from evalkit.metrics.set_distance import Distance
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import RENDERS, Arrays, Loaded, Predictions, Scored, Summary, Value
from evalkit.stats import Interval, mean_interval
from evalkit.weights.store import absent
from protocols.fid.options import FidOptions
from protocols.fid.plan import DIMENSION, NETWORKS, FidPlan
from protocols.fid.summary import of_each_render
from protocols.shared.bleed import kept_changes
from protocols.shared.exact_transfer import ExactTransfers, transfer_error
from protocols.shared.identity import identity_row
from protocols.shared.summaries import scored_rows
from protocols.shared.transfer import Pair, render_transfer
from protocols.shared.transfer_columns import IDENTITY, IDENTITY_REAL

REAL = "real frames of B"
SETS = {"": "renders", "_floor": "second"}  # suffix of a number -> the set that is compared with the reference frames


class Fid(FidPlan):
    """Keeps features of renders and real frames, and compares their sets."""

    def __init__(self, options: FidOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        super().__init__(options, dataset, oracle, seed)
        self.has_network = not absent(NETWORKS)
        self.has_identity_network = not absent(IDENTITY_NETWORKS[options.identity])
        self.exact_transfers = ExactTransfers(dataset) if isinstance(dataset, KnownWorld) else None
        self._real: dict[str, dict[str, Tensor]] = {}  # features of the last batch, for the other methods of the pass

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Renders of B at A's poses."""
        return {RENDERS: render_transfer(batch, method)}

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Compare each render with B, A and the truth; keep features and changes: a sample alone has no distance."""
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
        if self.has_identity_network:
            row |= identity_row(pair, renders, self.options.identity)
        pictures = {
            "context frames of B": pair.context.images,
            "renders of B at the poses of A": renders,
            "reference frames of B": loaded.frames[2].images,
        }
        if self.exact_transfers is not None:
            truth = self.exact_transfers.of(pair)
            row |= transfer_error(truth, pair.context, pair.motion(), renders)
            pictures["exact transfer: B seen along the motion of A"] = truth.images
        arrays = kept_changes(pair, renders)
        if self.has_network:
            arrays |= {"renders": self._features(renders), **self._real[loaded.sample.id]}
        return Scored(row, arrays, pictures)

    def _real_features(self, loaded: Loaded) -> dict[str, Tensor]:
        reference, second = (self._features(frames.images) for frames in loaded.frames[2:])
        return {"reference": reference, "second": second}

    def _features(self, images: Tensor) -> Tensor:
        """Features of the frames of one sample at a time, so that they do not depend on the rest of the batch."""
        return inception_features(quantised(images, "round") if self.options.quantise else images)

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """What each render shows, then FID and KID of all renders, and of the second real frames."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        shown = of_each_render(scored, arrays)
        count, scenes = int(scored["frames"].sum()), {scene for names in scored["scenes"] for scene in names}
        metrics = {**shown.metrics, "frames": Interval(count, math.nan, math.nan, len(scored), len(scenes))}
        real = {IDENTITY: metrics[IDENTITY_REAL].mean} if IDENTITY_REAL in metrics else {}
        if not self.has_network or count < 2:
            return Summary(metrics, references={REAL: real} if real else {}, notes=shown.notes, block=shown.block)
        for suffix, name in SETS.items():
            metrics |= {f"{key}{suffix}": distance for key, distance in self._distances(scored, arrays, name).items()}
        floor = {key: metrics[f"{key}_floor"].mean for key in ("fid", "kid")}
        references = {REAL: real | floor | {"frames": count}}
        return Summary(metrics, references=references, notes=(*shown.notes, *self._notes(count)), block=shown.block)

    def _distances(self, scored: pd.DataFrame, arrays: Arrays, name: str) -> dict[str, Interval]:
        """FID and KID of one set of features against the reference frames."""
        features = _Features(arrays, scored["sample"].tolist(), name)
        scenes = [tuple(names) for names in scored["scenes"]]
        fid = _interval(set_distance.frechet(features), scenes)
        kid = _interval(set_distance.kernel(features, self.options.subsets, self.options.subset_size), scenes)
        return {"fid": replace(fid, low=float(np.maximum(fid.low, 0.0))), "kid": kid}  # np.maximum keeps NaN

    def _notes(self, count: int) -> tuple[str, ...]:
        size, subsets = self.options.subset_size, self.options.subsets
        rule = f"all {count} frames of each set" if count <= size else f"mean of {subsets} subsets of {size} frames"
        few = f"FID: {count} frames in {DIMENSION} dimensions, so much of it is bias: look at real frames, and at KID"
        return (f"KID: {rule}", *([few] if count < DIMENSION else []))


@dataclass(frozen=True)
class _Features:
    """Features of one set and of the reference frames, read sample by sample from what the run keeps."""

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
    (interval,) = mean_interval((distance.value + distance.influence[:, None]).numpy(), scenes, bounded=False)
    return replace(interval, mean=distance.value)
