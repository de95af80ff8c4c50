"""Turn an index into the samples of a protocol."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.data.dataset import SequenceInfo
from evalkit.index.entries import Index, IndexEntry
from evalkit.protocol import Clip, Sample

MISSING = "not in the dataset"


def samples_of(index: Index, sequences: Sequence[SequenceInfo]) -> list[Sample]:
    """One sample for each entry, with the id of the entry, in the order of the index. Scenes are matched by name.

    A scene is planned with a problem where the data lack it, cannot read it, or hold too few frames. No other frames
    are taken instead. A run with such a sample is refused unless the user allows it (``allow_missing=true``).
    """
    by_name = {sequence.name: sequence for sequence in sequences}
    return [_sample(entry, by_name.get(entry.scene), index.target_every) for entry in index.entries]


def _sample(entry: IndexEntry, sequence: SequenceInfo | None, target_every: int | None) -> Sample:
    if sequence is None:
        return Sample(entry.id, (entry.scene,), (), MISSING, listed=True)
    length = max((end for _, end in sequence.segments), default=0)
    last = max((*entry.context, *entry.target))
    problem = sequence.problem or ("" if last < length else f"frame {last} of a sequence of {length} frames")
    if problem:
        return Sample(entry.id, (sequence.scene,), (), problem, listed=True)
    target = entry.target
    if target_every is not None:
        target = tuple(number for number in range(0, length, target_every) if number not in entry.context)
    return Sample(entry.id, (sequence.scene,), (Clip(sequence.name, entry.context, target),), listed=True)
