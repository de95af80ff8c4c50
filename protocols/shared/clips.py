"""The plan of single clips: which frames of each sequence are context views and which are targets. Needs no tensor."""

from __future__ import annotations

from enum import StrEnum
from math import gcd
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from evalkit.config.options import ComponentOptions
from evalkit.data.dataset import Catalogue, ClipShape, SequenceInfo, clip_shape_of
from evalkit.errors import SampleError, UserError
from evalkit.index.find import load
from evalkit.index.samples import samples_of
from evalkit.pixels import Preprocess, Profile
from evalkit.protocol import Clip, Sample
from evalkit.seeds import generator
from protocols.shared.windows import draw_window

SALT = "nvs"  # of the plan's randomness: all protocols of single clips draw the same clips for the same counts


class ClipCounts(NamedTuple):
    """Numbers of context and target views, the shortest and longest window in frames, and how frames become squares."""

    context: int
    target: int
    span: tuple[int, int]
    profile: Profile


FALLBACK = ClipCounts(context=6, target=3, span=(8, 14), profile=Profile.PIXELSPLAT)


class Sampling(StrEnum):
    """How the frames of a window are split into context and target."""

    EVEN = "even"  # a fixed pattern (RayZer), see `even_split`
    RANDOM = "random"  # the ends of the window are context views, the others are drawn


class Selection(StrEnum):
    """Which frames of a sequence are taken, before they are split into context and target."""

    WINDOW = "window"  # the ends of a drawn window and random frames between (RayZer)
    SPREAD = "spread"  # equally spaced on the first frames of the sequence (E-RayZer)
    ANYWHERE = "anywhere"  # drawn from the whole sequence (VGGT, on CO3D)


class ClipOptions(ComponentOptions):
    """Which frames are context views and which are targets.

    What is null comes from the dataset, see `evalkit.data.dataset.ClipShape`; where that says nothing either, a clip
    has 6 context and 3 target views in a window of 8 to 14 frames, and pixels are pixelSplat's (`FALLBACK`).
    """

    index: Annotated[
        str | None,
        Field(description="A published list, by name or path (`evalkit index show`): its frames, none are drawn."),
    ] = None
    sampling: Annotated[
        Sampling, Field(description="How the frames of a window are split into context and target: even or random.")
    ] = Sampling.EVEN
    context: Annotated[
        Annotated[int, Field(ge=2)] | None, Field(description="Context views of a clip; null: the dataset's number.")
    ] = None
    target: Annotated[
        Annotated[int, Field(ge=0)] | None, Field(description="Target views of a clip; null: the dataset's number.")
    ] = None
    span: Annotated[
        tuple[int, int] | None,
        Field(description="[shortest,longest] window in frames, both inclusive; null: the dataset's."),
    ] = None
    clips: Annotated[int, Field(ge=1, description="Clips of each sequence.")] = 1
    resolution: Annotated[int, Field(ge=16, description="Side of the square images in pixels.")] = 256
    preprocess: Annotated[
        Profile | None,
        Field(description="How stored images become squares (docs/data.md lists the profiles); null: the dataset's."),
    ] = None


class ClipPlanner:
    """The samples of a protocol of single clips: entries of a published list, or drawn clips of each sequence."""

    def __init__(
        self, options: ClipOptions, dataset: Catalogue, seed: int, selection: Selection = Selection.WINDOW
    ) -> None:
        self.options, self.dataset, self.seed, self.selection = options, dataset, seed, selection
        self.counts = clip_counts(options, clip_shape_of(dataset))
        self.preprocess = Preprocess(options.resolution, self.counts.profile)
        self.index = load(options.index).index if options.index else None
        self.source = self.index.name if self.index else f"{selection.value}, {options.sampling.value}, seed {seed}"
        self.notes = self._notes()
        views, span = self.counts.context + self.counts.target, self.counts.span
        if selection is not Selection.ANYWHERE and not views - 1 <= span[0] <= span[1]:
            raise UserError(
                f"protocol.span={list(span)}: expected [shortest,longest] with room for {views} "
                f"different frames, such as protocol.span=[{views - 1},{2 * views}]"
            )

    def _notes(self) -> tuple[str, ...]:
        """What a reader must know of the split."""
        context, target = self.counts.context, self.counts.target
        if self.index is not None or self.options.sampling is Sampling.RANDOM or gcd(context, target) > 1 or target < 2:
            return ()
        pattern = "".join("c" if i in even_split(context, target) else "T" for i in range(context + target))
        return (
            f"sampling=even does not interleave {context} context and {target} target views ({pattern}): "
            f"counts with a common divisor do, such as protocol.context={2 * target} protocol.target={target}",
        )

    def samples(self) -> list[Sample]:
        """One sample for each entry of the list, or for each clip; a sample that the data cannot give has a problem."""
        sequences = self.dataset.sequences()
        if self.index is not None:
            return samples_of(self.index, sequences)
        return [self._sample(sequence, number) for sequence in sequences for number in range(self.options.clips)]

    def _sample(self, sequence: SequenceInfo, number: int) -> Sample:
        sample_id = f"{sequence.name}#{number}"
        try:
            if sequence.problem:
                raise SampleError(sequence.problem)
            clip = self._clip(sequence, generator(self.seed, SALT, sample_id))
        except SampleError as error:
            return Sample(sample_id, (sequence.scene,), (), str(error))
        return Sample(sample_id, (sequence.scene,), (clip,))

    def _clip(self, sequence: SequenceInfo, rng: np.random.Generator) -> Clip:
        frames = _SELECT[self.selection](sequence, self.counts, rng)
        context = even_split(self.counts.context, self.counts.target)
        if self.options.sampling is Sampling.RANDOM:
            inner = rng.choice(len(frames) - 2, size=self.counts.context - 2, replace=False) + 1
            context = [0, *sorted(inner.tolist()), len(frames) - 1]
        target = sorted(set(range(len(frames))) - set(context))
        return Clip(sequence.name, tuple(frames[i] for i in context), tuple(frames[i] for i in target))


def even_split(n_context: int, n_target: int) -> list[int]:
    """Ranks of the context among n_context + n_target frames in temporal order, RayZer's *even* sampling.

    There are gcd(n_context, n_target) equal blocks, in each first the context, then the targets. At the end the last
    context and the last target change places, so that the clip ends on a context frame.

    >>> "".join("c" if i in even_split(16, 8) else "T" for i in range(24))
    'ccTccTccTccTccTccTccTcTc'
    """
    blocks = gcd(n_context, n_target)
    per_block, block = n_context // blocks, (n_context + n_target) // blocks
    context = [b * block + i for b in range(blocks) for i in range(per_block)]
    return [*context[:-1], n_context + n_target - 1]


def clip_counts(options: ClipOptions, shape: ClipShape) -> ClipCounts:
    """The counts that the user asked for, else the dataset's, else `FALLBACK`.

    >>> clip_counts(ClipOptions(context=2), ClipShape(target=4, span=(24, 48)))
    ClipCounts(context=2, target=4, span=(24, 48), profile=<Profile.PIXELSPLAT: 'pixelsplat'>)
    """
    target = shape.target if options.target is None else options.target
    return ClipCounts(
        context=options.context or shape.context or FALLBACK.context,
        target=FALLBACK.target if target is None else target,
        span=options.span or shape.span or FALLBACK.span,
        profile=options.preprocess or shape.profile or FALLBACK.profile,
    )


def _window(sequence: SequenceInfo, counts: ClipCounts, rng: np.random.Generator) -> list[int]:
    """The two ends of a window and frames between them, without replacement."""
    first, last = draw_window(sequence, counts.span, rng)
    inner = rng.choice(last - first - 1, size=counts.context + counts.target - 2, replace=False) + first + 1
    return [first, *sorted(inner.tolist()), last]


def _spread(sequence: SequenceInfo, counts: ClipCounts, rng: np.random.Generator) -> list[int]:
    """Frames 0 to the longest span of the first segment, equally spaced, rounded down as E-RayZer's loader does."""
    start, end = sequence.segments[0] if sequence.segments else (0, 0)
    if end - start <= counts.span[1]:
        raise SampleError(f"{sequence.name}: needs {counts.span[1] + 1} frames from the first on, has {end - start}")
    steps = np.linspace(0, counts.span[1], counts.context + counts.target).astype(int)
    return [start + step for step in steps.tolist()]


def _anywhere(sequence: SequenceInfo, counts: ClipCounts, rng: np.random.Generator) -> list[int]:
    """Frames of all segments, without replacement, in temporal order."""
    numbers = [number for start, end in sequence.segments for number in range(start, end)]
    views = counts.context + counts.target
    if len(numbers) < views:
        raise SampleError(f"{sequence.name}: needs {views} frames, has {len(numbers)}")
    return sorted(numbers[i] for i in rng.choice(len(numbers), size=views, replace=False).tolist())


_SELECT = {Selection.WINDOW: _window, Selection.SPREAD: _spread, Selection.ANYWHERE: _anywhere}
