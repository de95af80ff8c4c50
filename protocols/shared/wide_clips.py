"""Clips with few context views far apart: what lies between them cannot be faded from neighbours. Needs no tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated

import numpy as np
from pydantic import Field

from evalkit.config.options import Options
from evalkit.data.dataset import Catalogue, SequenceInfo, clip_shape_of
from evalkit.errors import SampleError
from evalkit.protocol import Clip, Sample
from evalkit.seeds import generator
from protocols.shared.windows import draw_window, equally_spaced

SALT = "wide"  # of the plan's randomness: all protocols with wide clips draw the same ones
FALLBACK_SPAN = (8, 14)  # window of ordinary clips, where a protocol has none
MARGIN = 0.25  # share of a gap next to a context view in which no target lies


class WideOptions(Options):
    """Which frames a wide clip has."""

    context: Annotated[
        int, Field(ge=2, description="Context views of a wide clip, equally spaced from end to end.")
    ] = 3
    target: Annotated[int, Field(ge=1, description="Target views, spread over the gaps between context views.")] = 2
    span: Annotated[
        tuple[int, int] | None,
        Field(
            description="[shortest,longest] window in frames; null: the dataset's, else twice that of its clips. "
            "Where a sequence is shorter: its longest run of frames without a jump."
        ),
    ] = None


class WideClips:
    """The wide clips of a dataset's sequences; ``span``: window of its ordinary clips, doubled where none is named."""

    def __init__(self, options: WideOptions, dataset: Catalogue, span: tuple[int, int], seed: int) -> None:
        self.options, self.dataset, self.seed = options, dataset, seed
        self.span = options.span or clip_shape_of(dataset).wide_span or (2 * span[0], 2 * span[1])

    def clip(self, sequence: SequenceInfo, sample_id: str) -> Clip:
        """Draw the wide clip of a sample, see `wide_clip`."""
        return wide_clip(sequence, self.options, self.span, generator(self.seed, SALT, sample_id))

    def samples(self, clips: int) -> list[Sample]:
        """So many wide clips of each sequence; one that the data cannot give has a problem."""
        return [self._sample(sequence, number) for number in range(clips) for sequence in self.dataset.sequences()]

    def _sample(self, sequence: SequenceInfo, number: int) -> Sample:
        sample_id = f"{sequence.name}#{number}"
        try:
            if sequence.problem:
                raise SampleError(sequence.problem)
            return Sample(sample_id, (sequence.scene,), (self.clip(sequence, sample_id),))
        except SampleError as error:
            return Sample(sample_id, (sequence.scene,), (), str(error))

    def added(self, samples: Sequence[Sample]) -> list[Sample]:
        """The samples, each with a wide clip of its first clip's sequence after its own clips.

        A sequence without room for one becomes a problem.
        """
        sequences = {sequence.name: sequence for sequence in self.dataset.sequences()}
        return [self._added(sample, sequences) for sample in samples]

    def _added(self, sample: Sample, sequences: dict[str, SequenceInfo]) -> Sample:
        if sample.problem:
            return sample
        try:
            clip = self.clip(sequences[sample.clips[0].sequence], sample.id)
        except SampleError as error:
            return replace(sample, clips=(), problem=str(error))
        return replace(sample, clips=(*sample.clips, clip))


def wide_clip(sequence: SequenceInfo, options: WideOptions, span: tuple[int, int], rng: np.random.Generator) -> Clip:
    """Draw a clip: context views equally spaced over the window, targets at random places inside the gaps.

    Raises SampleError where no run of frames has room.
    """
    longest = max((end - start - 1 for start, end in sequence.segments), default=0)
    first, last = draw_window(sequence, (min(span[0], longest), min(span[1], longest)), rng)
    context = equally_spaced(first, last, options.context)
    gaps = list(pairwise(context))
    counts = [len(part) for part in np.array_split(np.arange(options.target), len(gaps))]
    target: list[int] = []
    for (left, right), count in zip(gaps, counts, strict=True):
        margin = int(np.ceil(MARGIN * (right - left)))
        inside = np.arange(left + max(margin, 1), right - max(margin, 1) + 1)
        if len(inside) < count:
            raise SampleError(f"{sequence.name}: {last - first + 1} frames have no room for {count} targets in a gap")
        target += sorted(rng.choice(inside, size=count, replace=False).tolist())
    return Clip(sequence.name, context, tuple(target))
