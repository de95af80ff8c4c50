"""From a protocol's samples to blocks of work that no shard, restart or order can change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby

from evalkit.config.run import Shard
from evalkit.errors import UserError
from evalkit.protocol import Planner, Sample


@dataclass(frozen=True)
class RunPlan:
    """The frozen list of samples, and how it is cut into blocks of ``batch`` samples.

    A block is always computed whole, even if only one of its rows is missing: its numbers then come from the
    same batched operations, to the last bit, whatever was interrupted or shared out.
    """

    samples: tuple[Sample, ...]
    batch: int

    @cached_property
    def index(self) -> bytes:
        """The samples, one JSON line each."""
        return "".join(json.dumps(asdict(sample), sort_keys=True) + "\n" for sample in self.samples).encode()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the index."""
        return hashlib.sha256(self.index).hexdigest()

    def blocks(self, shard: Shard) -> list[tuple[Sample, ...]]:
        """Return the blocks of one shard: every ``count``-th, from ``index`` on.

        The samples of a block have equal numbers of views, so that they can be stacked.
        """
        runs = [tuple(run) for _, run in groupby(self.samples, _views)]
        blocks = [run[start : start + self.batch] for run in runs for start in range(0, len(run), self.batch)]
        return blocks[shard.index :: shard.count]


def make_plan(planner: Planner, limit: int | None, batch: int) -> RunPlan:
    """Plan a run. Raises UserError where nothing can be scored."""
    samples = planner.samples()[:limit]
    if not samples:
        raise UserError("nothing to score: the dataset has no sequences")
    if all(sample.problem for sample in samples):
        advice = "expected the sequences that it names" if samples[0].listed else "protocol.span=[a,b] sets the window"
        raise UserError(f"nothing can be scored: {samples[0].problem} ({advice})")
    _refuse_twins(samples)
    return RunPlan(tuple(samples), batch)


def _views(sample: Sample) -> list[tuple[int, int]]:
    return [(len(clip.context), len(clip.target)) for clip in sample.clips]


def _refuse_twins(samples: Sequence[Sample]) -> None:
    ids: set[str] = set()
    for sample in samples:
        if sample.id in ids:
            raise UserError(f"the plan has two samples with the id '{sample.id}': expected distinct sequence names")
        ids.add(sample.id)
