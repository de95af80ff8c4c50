"""From an index to the samples of a protocol."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.data.dataset import SequenceInfo
from evalkit.index.entries import Index, IndexEntry
from evalkit.protocol import Clip, Sample

MISSING = "not in the dataset"


def samples_of(index: Index, sequences: Sequence[SequenceInfo]) -> list[Sample]:
    """One sample an entry, named like it, in the order of the index; scenes are matched by sequence name.

    A scene that the data lack, cannot read, or that is too short for the frames asked for is planned with a problem:
    no other frames are ever taken instead, and runs refuse it unless told to allow it (`evalkit.run.execute`).
    """
    known = {sequence.name: sequence for sequence in sequences}
    return [_sample(entry, known.get(entry.scene), index.target_every) for entry in index.entries]


def _sample(entry: IndexEntry, sequence: SequenceInfo | None, target_every: int | None) -> Sample:
    if sequence is None:
        return Sample(entry.id, (entry.scene,), (), MISSING, listed=True)
    length = max((end for _, end in sequence.segments), default=0)
    last = max((*entry.context, *entry.target))
    problem = sequence.problem or ("" if last < length else f"frame {last} of a sequence of {length} frames")
    if problem:
        return Sample(entry.id, (sequence.scene,), (), problem, listed=True)
    target = entry.target if target_every is None else tuple(_every(target_every, length, entry.context))
    return Sample(entry.id, (sequence.scene,), (Clip(sequence.name, entry.context, target),), listed=True)


def _every(step: int, length: int, context: Sequence[int]) -> list[int]:
    return [number for number in range(0, length, step) if number not in context]
