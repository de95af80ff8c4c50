"""nvs@1: novel view synthesis between context frames of one clip (RayZer, Tables 1-3).

Docs: docs/protocols/nvs.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from math import gcd
from typing import Annotated, NamedTuple

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from evalkit.config.options import ComponentOptions
from evalkit.data.dataset import Dataset, SequenceInfo
from evalkit.data.preprocess import Preprocess, Profile
from evalkit.errors import SampleError, UserError, did_you_mean
from evalkit.method import Card, Method, TargetPose
from evalkit.metrics.image import psnr, ssim
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import Clip, Column, Loaded, Sample, Scored, Summary
from evalkit.seeds import generator
from evalkit.views import Views
from protocols.common import MIN_MSE, first_supported, intervals, positions_of, scored_rows
from protocols.windows import draw_window


class Counts(NamedTuple):
    """Context and target views, and the range of window lengths in frames, inclusive."""

    context: int
    target: int
    span: tuple[int, int]


# The first three as published (RayZer, implementation details); the window is measured in frames of the
# sequence as stored. The others are ours.
PROFILES = {
    "dl3dv": Counts(16, 8, (64, 96)),
    "re10k": Counts(5, 5, (128, 192)),
    "objaverse": Counts(12, 8, (50, 65)),
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
    sampling: Sampling
    context: Annotated[int, Field(ge=2)] | None
    target: Annotated[int, Field(ge=1)] | None
    span: tuple[int, int] | None
    clips: Annotated[int, Field(ge=1)]
    target_pose: TargetPose | None
    resolution: Annotated[int, Field(ge=16)]
    preprocess: Profile


class Nvs:
    """Held-out frames of a clip rendered from its other frames: PSNR, SSIM (RayZer, Tables 1-3)."""

    Options = NvsOptions
    name, version, uses_oracle = "nvs", "1", False
    columns = (Column("psnr", "PSNR dB"), Column("ssim", "SSIM", digits=3))

    def __init__(self, options: NvsOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        if options.profile not in PROFILES:
            raise UserError(f"protocol.profile: no '{options.profile}'{did_you_mean(options.profile, PROFILES)}")
        profile = PROFILES[options.profile]
        self.options, self.dataset, self.seed = options, dataset, seed
        self.counts = Counts(
            options.context or profile.context, options.target or profile.target, options.span or profile.span
        )
        views = self.counts.context + self.counts.target
        if not views - 1 <= self.counts.span[0] <= self.counts.span[1]:
            raise UserError(
                f"protocol.span={list(self.counts.span)}: expected [shortest,longest] with room for {views} "
                f"different frames, such as protocol.span=[{views - 1},{2 * views}]"
            )
        self.preprocess = Preprocess(options.resolution, options.preprocess)

    def samples(self) -> list[Sample]:
        """``clips`` windows of each sequence."""
        return [
            self._sample(sequence, clip) for sequence in self.dataset.sequences() for clip in range(self.options.clips)
        ]

    def _sample(self, sequence: SequenceInfo, number: int) -> Sample:
        sample_id = f"{sequence.name}#{number}"
        rng = generator(self.seed, self.name, sample_id)
        n_context, n_target, span = self.counts
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
        """Cameras as given, or poses encoded jointly from context and targets."""
        return first_supported(card, (TargetPose.GIVEN, TargetPose.JOINT), self.options.target_pose)

    def render(self, batch: Sequence[Loaded], method: Method) -> Tensor:
        """Encode poses and scene, render the targets."""
        clips = [loaded.sample.clips[0] for loaded in batch]
        frames = [loaded.frames[0] for loaded in batch]
        device = frames[0].images.device
        context = positions_of([clip.context_positions for clip in clips], device)
        target = positions_of([clip.target_positions for clip in clips], device)
        views = Views.of(frames, [loaded.sample.id for loaded in batch], method.card.needs, device)
        if self.target_pose(method.card) is TargetPose.GIVEN:
            views = views.hiding(target)
        poses = method.encode_poses(views, context)
        scene = method.encode_scene(views.take(context), poses.take(context))
        return method.render(scene, poses.take(target))

    def score(self, batch: Sequence[Loaded], renders: Tensor, target_pose: TargetPose) -> list[Scored]:
        """PSNR and SSIM of each target; the row holds their means."""
        truth = torch.stack(
            [loaded.frames[0].images[list(loaded.sample.clips[0].target_positions)] for loaded in batch]
        )
        flat_truth, flat_renders = truth.flatten(0, 1), renders.flatten(0, 1)
        shape = truth.shape[:2]
        psnrs = psnr(flat_renders, flat_truth, min_mse=MIN_MSE).reshape(shape).double().cpu()
        ssims = ssim(flat_renders, flat_truth).reshape(shape).double().cpu()
        return [
            Scored(
                row={
                    "sequence": loaded.sample.clips[0].sequence,
                    "sampling": self.options.sampling.value,
                    "target_pose": target_pose.value,
                    "n_context": len(loaded.sample.clips[0].context),
                    "n_target": len(loaded.sample.clips[0].target),
                    "psnr": float(psnrs[i].mean()),
                    "ssim": float(ssims[i].mean()),
                },
                arrays={"psnr": psnrs[i], "ssim": ssims[i]},
                pictures={
                    "context": loaded.frames[0].images[list(loaded.sample.clips[0].context_positions)],
                    "targets": truth[i],
                    "renders": renders[i],
                },
            )
            for i, loaded in enumerate(batch)
        ]

    def summarise(self, rows: pd.DataFrame) -> Summary:
        """Means over clips, clustered by scene."""
        scored = scored_rows(rows)
        return Summary({} if scored.empty else intervals(scored, {key: scored[key] for key in ("psnr", "ssim")}))


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
