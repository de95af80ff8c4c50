"""fid@2 without tensors: pairs of clips, and the real frames of B that renders are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from evalkit.card import Card, TargetPose
from evalkit.data.dataset import Catalogue
from evalkit.metrics.identity_feature import Feature
from evalkit.oracles.oracle import OracleIdentity
from evalkit.pixels import Preprocess
from evalkit.protocol import Better, Clip, Column, Sample
from evalkit.seeds import generator
from protocols.fid.options import FidOptions
from protocols.shared.bleed_names import change_bytes
from protocols.shared.sources import first_supported
from protocols.shared.transfer_columns import (
    bleed_column,
    exact_gain_column,
    exact_psnr_column,
    identity_column,
)
from protocols.shared.transfer_plan import TransferPlanner

NETWORKS = ("inception",)
DIMENSION = 2048  # of Inception's features
POOL = "renders of B against real frames of B"

Segment = tuple[int, int]


class FidPlan:
    """Renders of scene B at clip A's poses: are they B, without A, and right? Then FID and KID (XFactor, Table 1)."""

    Options = FidOptions
    implementation = "protocols.fid.protocol:Fid"
    name, uses_oracle = "fid", False
    controls = ("static_blurred", "mean_context", "blend_target")

    def __init__(self, options: FidOptions, dataset: Catalogue, oracle: OracleIdentity | None, seed: int) -> None:
        self.options, self.dataset, self.seed, self.version = options, dataset, seed, options.version
        self.columns = columns_of(options.identity)
        self.transfers = TransferPlanner(options, dataset, seed)
        self.preprocess = Preprocess(options.resolution, options.preprocess)

    def samples(self) -> list[Sample]:
        """The pairs of tps, each with two more clips of B: the reference frames and the second real frames."""
        longest = {
            sequence.name: max(sequence.segments, key=lambda segment: segment[1] - segment[0], default=(0, 0))
            for sequence in self.dataset.sequences()
        }
        return [self._with_real_frames(sample, longest) for sample in self.transfers.samples()]

    def _with_real_frames(self, sample: Sample, longest: Mapping[str, Segment]) -> Sample:
        """Draw as many frames as there are renders, twice, without replacement, from the longest segment of B."""
        if sample.problem:
            return sample
        name, count = sample.clips[1].sequence, self.options.target
        start, end = longest[name]
        if end - start < 2 * count:
            problem = f"{name}: needs {2 * count} frames without a jump, has {end - start}"
            return replace(sample, clips=(), problem=problem)
        drawn = start + generator(self.seed, "fid", sample.id).choice(end - start, 2 * count, replace=False)
        reference, second = (tuple(sorted(half.tolist())) for half in np.split(drawn, 2))
        return replace(sample, clips=(*sample.clips, Clip(name, (), reference), Clip(name, (), second)))

    def target_pose(self, card: Card) -> TargetPose:
        """Always from another clip."""
        return first_supported(card, (TargetPose.TRANSFER,), None)

    def kept_bytes(self, sample: Sample) -> int:
        """Bytes of the arrays of a sample.

        Features in float32 of its renders and of both sets of real frames; changes of targets and of renders.
        """
        changes = sum(change_bytes(len(clip.target), self.options.resolution) for clip in sample.clips[:1])
        return changes + 4 * DIMENSION * sum(len(clip.target) for clip in sample.clips[1:])


def columns_of(feature: Feature) -> tuple[Column, ...]:
    """What is printed: what no copy tops first, and what asks of each render; FID and KID after these."""
    lower = Better.LOWER
    return (
        exact_gain_column(),
        identity_column(feature),
        bleed_column(),
        exact_psnr_column(),
        Column("fid", "FID", networks=NETWORKS, better=lower, quantity="fid", definition=POOL),
        Column("kid", "KID\n×1000", 1000, networks=NETWORKS, better=lower, quantity="kid", definition=POOL),
        Column("frames", "frames\nin a set", digits=0, quantity="number of frames"),
    )
