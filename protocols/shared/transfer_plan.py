"""The plan of a transfer: which pairs of clips, and which of their frames. Needs no tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from evalkit.config.options import ComponentOptions
from evalkit.data.dataset import Catalogue, SequenceInfo
from evalkit.errors import SampleError, UserError, did_you_mean
from evalkit.pixels import Profile
from evalkit.protocol import Clip, Sample
from evalkit.seeds import generator
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


class TransferPlanner:
    """The plan of all pairs of a dataset."""

    def __init__(self, options: TransferOptions, dataset: Catalogue, seed: int) -> None:
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
