"""Poses of clip A carried into the scene of clip B: which pairs, which frames, and how a method is driven."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from evalkit.config.options import ComponentOptions
from evalkit.data.dataset import Dataset, SequenceInfo
from evalkit.errors import SampleError, UserError, did_you_mean
from evalkit.geometry.se3 import relative_to
from evalkit.method import Method, reference_of
from evalkit.pixels import Profile
from evalkit.protocol import Clip, Loaded, Sample
from evalkit.seeds import generator
from evalkit.views import Frames, Views
from protocols.shared.summaries import positions_of
from protocols.shared.windows import draw_window, equally_spaced

# Window lengths in frames. XFactor's evaluation windows are not published; those of the real data sets are the
# longest windows of its multi-view training.
SPANS = {
    "procedural": (24, 32),
    "clip": (8, 14),
    "re10k": (40, 200),
    "dl3dv": (6, 20),
    "mvimgnet": (6, 20),
    "co3d": (9, 40),
    "objaverse": (9, 40),
}
SALT = "tps"  # of the plan's randomness: every protocol that transfers poses has the same pairs and clips


class TransferOptions(ComponentOptions):
    """Settings of a transfer; what is null comes from the profile."""

    profile: str
    context: Annotated[int, Field(ge=1)]
    target: Annotated[int, Field(ge=1)]
    span: tuple[int, int] | None
    pairs: Annotated[int, Field(ge=1)]
    resolution: Annotated[int, Field(ge=16)]
    preprocess: Profile


class Pair(NamedTuple):
    """Clip A, which gives the poses, and clip B, which gives the scene."""

    a: Frames
    b: Frames
    clip_a: Clip
    clip_b: Clip

    @staticmethod
    def of(loaded: Loaded) -> Pair:
        """The first two clips of a sample."""
        (a, b), (clip_a, clip_b) = loaded.frames[:2], loaded.sample.clips[:2]
        return Pair(a, b, clip_a, clip_b)

    @property
    def targets(self) -> Frames:
        """A's target frames, whose poses are rendered."""
        return self.a.take(self.clip_a.target_positions)

    @property
    def context(self) -> Frames:
        """B's context frames, all that a method sees of the scene."""
        return self.b.take(self.clip_b.context_positions)

    def motion(self) -> Tensor:
        """A's target cameras [T, 4, 4] relative to A's reference camera, exactly."""
        assert self.a.cameras is not None
        reference = int(reference_of(torch.tensor([self.clip_a.context_positions])))
        return relative_to(self.a.cameras.w2c[list(self.clip_a.target_positions)], self.a.cameras.w2c[reference])


class TransferPlanner:
    """The plan of all pairs of a dataset."""

    def __init__(self, options: TransferOptions, dataset: Dataset, seed: int) -> None:
        if options.span is None and options.profile not in SPANS:
            raise UserError(f"protocol.profile: no '{options.profile}'{did_you_mean(options.profile, SPANS)}")
        self.options, self.dataset, self.seed = options, dataset, seed
        self.span = options.span or SPANS[options.profile]
        if not max(options.context, options.target) - 1 <= self.span[0] <= self.span[1]:
            raise UserError(
                f"protocol.span={list(self.span)}: expected [shortest,longest] with room for "
                f"{max(options.context, options.target)} different frames"
            )

    def samples(self) -> list[Sample]:
        """Pairs A->B along a random cycle through all sequences, ``pairs`` times round.

        Every second step of the cycle comes first, so that a limited run starts with pairs that share no scene.
        """
        sequences = self.dataset.sequences()
        if len(sequences) < 2:
            raise UserError(f"poses pass between sequences: the dataset has {len(sequences)}, expected 2 or more")
        return [self._sample(a, b, lap) for lap in range(self.options.pairs) for a, b in self._cycle(sequences, lap)]

    def _cycle(self, sequences: list[SequenceInfo], lap: int) -> Iterator[tuple[SequenceInfo, SequenceInfo]]:
        order = generator(self.seed, SALT, "cycle", lap).permutation(len(sequences))
        for start in (0, 1):
            for i in range(start, len(order), 2):
                yield sequences[order[i]], sequences[order[(i + 1) % len(order)]]

    def _sample(self, a: SequenceInfo, b: SequenceInfo, lap: int) -> Sample:
        sample_id = f"{a.name}~{b.name}#{lap}"
        scenes = (a.scene, b.scene)
        try:
            for sequence in (a, b):
                if sequence.problem:
                    raise SampleError(sequence.problem)
            clips = tuple(self.clip(sequence, sample_id) for sequence in (a, b))
        except SampleError as error:
            return Sample(sample_id, scenes, (), str(error))
        return Sample(sample_id, scenes, clips)

    def clip(self, sequence: SequenceInfo, sample_id: str) -> Clip:
        """Contexts span the window; targets lie equally spaced inside it and share its middle frame."""
        first, last = draw_window(sequence, self.span, generator(self.seed, SALT, sample_id, sequence.name))
        margin = (last - first) / 8
        return Clip(
            sequence.name,
            equally_spaced(first, last, self.options.context),
            equally_spaced(first + margin, last - margin, self.options.target),
        )


def render_transfer(batch: Sequence[Loaded], method: Method) -> Tensor:
    """Render B at A's target poses, [B, T, 3, H, W].

    A's poses are encoded from all of A, B's scene from B's context alone; only a PoseCode passes from A to B.
    """
    pairs = [Pair.of(loaded) for loaded in batch]
    ids = [loaded.sample.id for loaded in batch]
    device = pairs[0].a.images.device
    context_a = positions_of([pair.clip_a.context_positions for pair in pairs], device)
    target_a = positions_of([pair.clip_a.target_positions for pair in pairs], device)
    views_a = Views.of([pair.a for pair in pairs], ids, method.card.needs, device)
    views_b = Views.of([pair.context for pair in pairs], ids, method.card.needs, device)
    poses_a = method.encode_poses(views_a, context_a).take(target_a).carried()
    everything = torch.arange(views_b.images.shape[1], device=device).expand(len(batch), -1)
    scene = method.encode_scene(views_b, method.encode_poses(views_b, everything))
    return method.render(scene, poses_a)
