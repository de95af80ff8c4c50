"""The plan of a transfer: pairs of sequences, and the frames of both clips of a pair. Needs no tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from evalkit.config.options import ComponentOptions
from evalkit.data.dataset import Catalogue, SequenceInfo, clip_shape_of
from evalkit.errors import SampleError, UserError
from evalkit.pixels import Profile
from evalkit.protocol import Clip, Sample
from evalkit.seeds import generator
from protocols.shared.windows import draw_window, equally_spaced

SALT = "tps"  # of the plan's randomness: all protocols that transfer poses draw the same pairs and clips
FALLBACK_SPAN = (8, 14)  # shortest and longest window in frames


class TransferOptions(ComponentOptions):
    """Settings of a transfer. A null ``span`` is the dataset's ``transfer_span``, else 8 to 14 frames."""

    context: Annotated[int, Field(ge=1, description="Context views of a clip.")] = 5
    target: Annotated[int, Field(ge=1, description="Target views of a clip.")] = 5
    span: Annotated[
        tuple[int, int] | None,
        Field(description="[shortest,longest] window in frames, both inclusive; null: the dataset's."),
    ] = None
    pairs: Annotated[int, Field(ge=1, description="Pairs in which each sequence gives the poses.")] = 1
    resolution: Annotated[int, Field(ge=16, description="Side of the square images in pixels.")] = 256
    preprocess: Annotated[
        Profile, Field(description="How stored images become squares; docs/data.md lists the profiles.")
    ] = Profile.PIXELSPLAT


class TransferPlanner:
    """The samples of a protocol that carries poses of a clip A into the scene of a clip B."""

    def __init__(self, options: TransferOptions, dataset: Catalogue, seed: int) -> None:
        self.options, self.dataset, self.seed = options, dataset, seed
        self.span = options.span or clip_shape_of(dataset).transfer_span or FALLBACK_SPAN
        if not max(options.context, options.target) - 1 <= self.span[0] <= self.span[1]:
            raise UserError(
                f"protocol.span={list(self.span)}: expected [shortest,longest] with room for "
                f"{max(options.context, options.target)} different frames"
            )

    def samples(self) -> list[Sample]:
        """Pairs A->B along a random cycle through all sequences, ``pairs`` times.

        Every second step of the cycle comes first, so that a limited run starts with pairs that share no scene.
        """
        sequences = self.dataset.sequences()
        if len(sequences) < 2:
            raise UserError(f"poses pass between sequences: the dataset has {len(sequences)}, expected 2 or more")
        return [
            self._sample(a, b, number)
            for number in range(self.options.pairs)
            for a, b in self._cycle(sequences, number)
        ]

    def _cycle(self, sequences: list[SequenceInfo], number: int) -> Iterator[tuple[SequenceInfo, SequenceInfo]]:
        order = generator(self.seed, SALT, "cycle", number).permutation(len(sequences))
        for start in (0, 1):
            for i in range(start, len(order), 2):
                yield sequences[order[i]], sequences[order[(i + 1) % len(order)]]

    def _sample(self, a: SequenceInfo, b: SequenceInfo, number: int) -> Sample:
        sample_id = f"{a.name}~{b.name}#{number}"
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
        """Draw a clip: the context spans the window; the targets lie equally spaced inside and share its middle frame.

        XFactor's evaluation windows are not published.
        """
        first, last = draw_window(sequence, self.span, generator(self.seed, SALT, sample_id, sequence.name))
        margin = (last - first) / 8
        return Clip(
            sequence.name,
            equally_spaced(first, last, self.options.context),
            equally_spaced(first + margin, last - margin, self.options.target),
        )
