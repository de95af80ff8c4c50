"""Which frames a protocol of single clips takes: drawn windows, what other papers take, or a published list."""

from __future__ import annotations

from enum import StrEnum
from math import gcd
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from evalkit.config.options import ComponentOptions
from evalkit.data.dataset import Catalogue, SequenceInfo
from evalkit.errors import SampleError, UserError, did_you_mean
from evalkit.index.find import load
from evalkit.index.samples import samples_of
from evalkit.pixels import Preprocess, Profile
from evalkit.protocol import Clip, Sample
from evalkit.seeds import generator
from protocols.shared.windows import draw_window

SALT = "nvs"  # of the plan's randomness: all protocols of single clips have the same clips for the same counts


class Counts(NamedTuple):
    """Context and target views, the range of window lengths in frames, inclusive, and how frames become squares."""

    context: int
    target: int
    span: tuple[int, int]
    preprocess: Profile = Profile.PIXELSPLAT


# The first three as published (RayZer, implementation details; its code resizes to multiples of 16); the window is
# measured in frames of the sequence as stored. The others are ours.
PROFILES = {
    "dl3dv": Counts(16, 8, (64, 96), Profile.LVSM_P16),
    "re10k": Counts(5, 5, (128, 192), Profile.LVSM_P16),
    "objaverse": Counts(12, 8, (50, 65), Profile.LVSM_P16),
    "procedural": Counts(5, 3, (24, 48)),
    "clip": Counts(5, 3, (8, 14)),
}


class Sampling(StrEnum):
    """How the frames of a window are split into context and target."""

    EVEN = "even"
    RANDOM = "random"


class Selection(StrEnum):
    """Which frames of a sequence are taken, before they are split into context and target."""

    WINDOW = "window"  # the ends of a drawn window and random frames between (RayZer)
    SPREAD = "spread"  # equally spaced on the first frames of the sequence (E-RayZer)
    ANYWHERE = "anywhere"  # drawn from the whole sequence (VGGT, on CO3D)


class ClipOptions(ComponentOptions):
    """Which frames are context and which targets; what is null comes from the profile."""

    profile: str
    index: str | None
    sampling: Sampling
    context: Annotated[int, Field(ge=2)] | None
    target: Annotated[int, Field(ge=0)] | None
    span: tuple[int, int] | None
    clips: Annotated[int, Field(ge=1)]
    resolution: Annotated[int, Field(ge=16)]
    preprocess: Profile | None


class ClipPlanner:
    """The plan: the entries of a published list, or ``clips`` clips of each sequence."""

    def __init__(
        self, options: ClipOptions, dataset: Catalogue, seed: int, selection: Selection = Selection.WINDOW
    ) -> None:
        self.options, self.dataset, self.seed, self.selection = options, dataset, seed, selection
        self.counts = _counts(options)
        self.preprocess = Preprocess(options.resolution, self.counts.preprocess)
        self.index = load(options.index).index if options.index else None
        self.source = self.index.name if self.index else f"{selection.value}, {options.sampling.value}, seed {seed}"
        views, span = self.counts.context + self.counts.target, self.counts.span
        if selection is not Selection.ANYWHERE and not views - 1 <= span[0] <= span[1]:
            raise UserError(
                f"protocol.span={list(span)}: expected [shortest,longest] with room for {views} "
                f"different frames, such as protocol.span=[{views - 1},{2 * views}]"
            )

    def samples(self) -> list[Sample]:
        """One sample an entry of the list, or a clip; what the data cannot give is planned with its problem."""
        sequences = self.dataset.sequences()
        if self.index is not None:
            return samples_of(self.index, sequences)
        return [self._sample(each, lap) for each in sequences for lap in range(self.options.clips)]

    def _sample(self, sequence: SequenceInfo, lap: int) -> Sample:
        sample_id = f"{sequence.name}#{lap}"
        try:
            if sequence.problem:
                raise SampleError(sequence.problem)
            clip = self._clip(sequence, generator(self.seed, SALT, sample_id))
        except SampleError as error:
            return Sample(sample_id, (sequence.scene,), (), str(error))
        return Sample(sample_id, (sequence.scene,), (clip,))

    def _clip(self, sequence: SequenceInfo, rng: np.random.Generator) -> Clip:
        frames = _FRAMES[self.selection](sequence, self.counts, rng)
        context = even_split(self.counts.context, self.counts.target)
        if self.options.sampling is Sampling.RANDOM:
            inner = rng.choice(len(frames) - 2, size=self.counts.context - 2, replace=False) + 1
            context = [0, *sorted(inner.tolist()), len(frames) - 1]
        target = sorted(set(range(len(frames))) - set(context))
        return Clip(sequence.name, tuple(frames[i] for i in context), tuple(frames[i] for i in target))


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


def _counts(options: ClipOptions) -> Counts:
    if options.profile not in PROFILES:
        raise UserError(f"protocol.profile: no '{options.profile}'{did_you_mean(options.profile, PROFILES)}")
    profile = PROFILES[options.profile]
    return Counts(
        options.context or profile.context,
        profile.target if options.target is None else options.target,
        options.span or profile.span,
        options.preprocess or profile.preprocess,
    )


def _window(sequence: SequenceInfo, counts: Counts, rng: np.random.Generator) -> list[int]:
    """The two ends of a window and frames between them, without replacement."""
    first, last = draw_window(sequence, counts.span, rng)
    inner = rng.choice(last - first - 1, size=counts.context + counts.target - 2, replace=False) + first + 1
    return [first, *sorted(inner.tolist()), last]


def _spread(sequence: SequenceInfo, counts: Counts, rng: np.random.Generator) -> list[int]:
    """Frames 0 to the longest span of the first segment, equally spaced, rounded down as E-RayZer's loader does."""
    start, end = sequence.segments[0] if sequence.segments else (0, 0)
    if end - start <= counts.span[1]:
        raise SampleError(f"{sequence.name}: needs {counts.span[1] + 1} frames from the first on, has {end - start}")
    steps = np.linspace(0, counts.span[1], counts.context + counts.target).astype(int)
    return [start + step for step in steps.tolist()]


def _anywhere(sequence: SequenceInfo, counts: Counts, rng: np.random.Generator) -> list[int]:
    """Frames of all segments, without replacement, in temporal order."""
    numbers = [number for start, end in sequence.segments for number in range(start, end)]
    views = counts.context + counts.target
    if len(numbers) < views:
        raise SampleError(f"{sequence.name}: needs {views} frames, has {len(numbers)}")
    return sorted(numbers[i] for i in rng.choice(len(numbers), size=views, replace=False).tolist())


_FRAMES = {Selection.WINDOW: _window, Selection.SPREAD: _spread, Selection.ANYWHERE: _anywhere}
