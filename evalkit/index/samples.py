"""From an index to the samples of a protocol."""

from __future__ import annotations

from collections.abc import Sequence, Set

from evalkit.data.dataset import SequenceInfo
from evalkit.errors import UserError
from evalkit.index.entries import Entry, Index
from evalkit.protocol import Clip, Sample

MISSING = "not in the dataset"


def samples_of(index: Index, sequences: Sequence[SequenceInfo], allow_missing: bool = False) -> list[Sample]:
    """One sample an entry, named like it, in the order of the index; scenes are matched by sequence name.

    A scene that the data lack is refused; with ``allow_missing`` it is planned with a problem, so that coverage
    tells. So is one whose sequence cannot be read or is too short for the frames asked for: no other frames are
    ever taken instead.
    """
    known = {sequence.name: sequence for sequence in sequences}
    if not allow_missing:
        _refuse_missing(index, known.keys())
    return [_sample(entry, known.get(entry.scene), index.target_every) for entry in index.entries]


def _refuse_missing(index: Index, known: Set[str]) -> None:
    missing = sorted({entry.scene for entry in index.entries} - known)
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise UserError(
            f"{len(missing)} scenes of index '{index.name}' are not in the dataset ({shown}): complete the data, "
            "or type allow_missing=true to have them stand in the coverage as failed"
        )


def _sample(entry: Entry, sequence: SequenceInfo | None, target_every: int | None) -> Sample:
    if sequence is None:
        return Sample(entry.id, (entry.scene,), (), MISSING)
    length = max((end for _, end in sequence.segments), default=0)
    last = max((*entry.context, *entry.target))
    problem = sequence.problem or ("" if last < length else f"frame {last} of a sequence of {length} frames")
    if problem:
        return Sample(entry.id, (sequence.scene,), (), problem)
    target = entry.target if target_every is None else tuple(_every(target_every, length, entry.context))
    return Sample(entry.id, (sequence.scene,), (Clip(sequence.name, entry.context, target),))


def _every(step: int, length: int, context: Sequence[int]) -> list[int]:
    return [number for number in range(0, length, step) if number not in context]
