"""The plan of `leak`: the pairs of clips of a transfer, without targets that are context frames. Needs no tensor."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.card import Card, TargetPose
from evalkit.data.dataset import Catalogue
from evalkit.oracles.oracle import OracleIdentity
from evalkit.pixels import Preprocess
from evalkit.protocol import Better, Column, Sample
from protocols.leak.claims import CHECKS, KEPT_OF_POSE, SET_COLUMNS, SIDES, Verdict
from protocols.leak.options import LeakOptions
from protocols.shared.bleed_names import change_bytes
from protocols.shared.sources import first_supported
from protocols.shared.transfer_plan import TransferPlanner

if TYPE_CHECKING:
    import pandas as pd

SOURCES = (TargetPose.GIVEN, TargetPose.JOINT, TargetPose.CONTEXT_ONLY)
JOINT_MINUS_ALONE = Column(
    "joint_minus_alone",
    "PSNR dB:\njoint −\ncontext_only",
    digits=1,
    quantity="psnr",
    variant="joint poses minus context_only poses",
)
ELSEWHERE = Column(
    "elsewhere_psnr",
    "PSNR dB:\nscene B at\nA's poses",
    digits=1,
    better=Better.LOWER,
    quantity="psnr",
    variant="scene B at the poses of A's targets, compared with A's targets",
)


class LeakPlan:
    """Whether target images change what is predicted for the context: a method's card beside what it does."""

    Options = LeakOptions
    implementation = "protocols.leak.protocol:Leak"
    name, version, uses_oracle = "leak", "2", False
    columns = (*(check.column for check in CHECKS), *SET_COLUMNS, JOINT_MINUS_ALONE, ELSEWHERE)

    def __init__(self, options: LeakOptions, dataset: Catalogue, oracle: OracleIdentity | None, seed: int) -> None:
        self.options, self.dataset, self.seed = options, dataset, seed
        self.transfers = TransferPlanner(options, dataset, seed)
        self.preprocess = Preprocess(options.resolution, options.preprocess)

    def samples(self) -> list[Sample]:
        """The pairs of tps, without targets of A that are context frames; B lends the targets that replace A's."""
        return [_without_context_targets(sample) for sample in self.transfers.samples()]

    def target_pose(self, card: Card) -> TargetPose:
        """The first that the method offers of given, joint and context_only."""
        return first_supported(card, SOURCES, None)

    def kept_bytes(self, sample: Sample) -> int:
        """Bytes of the arrays of a sample, at most: of the poses and small images of A, and of what bleed compares."""
        if not sample.clips:
            return 0
        clip, width = sample.clips[0], 4 * (KEPT_OF_POSE + 3 * max(SIDES) ** 2 + 12 + 1)
        return width * len(clip.numbers) + change_bytes(len(clip.target), self.options.resolution)

    @staticmethod
    def row_numbers(rows: pd.DataFrame) -> dict[str, pd.Series]:
        """By check, 1 for each clip above the tolerance: a column shows their share."""
        exceeded = {verdict.value: float(verdict.is_exceeded) for verdict in Verdict}
        return {check.key: rows[check.verdict_key].map(exceeded) for check in CHECKS if check.verdict_key in rows}


def _without_context_targets(sample: Sample) -> Sample:
    """The sample with the nearest free frame in place of each target of A that is a context frame.

    Free frames lie in the window and are neither context nor target. A target for which none is left is left out.
    """
    if sample.problem:
        return sample
    clip_a, clip_b = sample.clips
    free = set(range(min(clip_a.context), max(clip_a.context) + 1)) - {*clip_a.context, *clip_a.target}
    target = [number for number in clip_a.target if number not in clip_a.context]
    for number in clip_a.target:
        if number in clip_a.context and free:
            nearest = min(free, key=lambda other: (abs(other - number), -other))
            free.remove(nearest)
            target.append(nearest)
    if not target:
        return replace(sample, clips=(), problem=f"{clip_a.sequence}: every frame of the window is a context frame")
    return replace(sample, clips=(replace(clip_a, target=tuple(sorted(target))), clip_b))
