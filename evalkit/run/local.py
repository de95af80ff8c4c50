"""The local engine: one pass over the data scores every method, and each row is put down as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter

import torch

from evalkit.data.dataset import Dataset
from evalkit.errors import SampleError, UserError
from evalkit.method import Method
from evalkit.protocol import RENDERS, Loaded, Predictions, Protocol, Sample
from evalkit.run.pictures import contact_sheet
from evalkit.run.plan import Plan
from evalkit.run.store import Row, RunFolder

PICTURES = 2  # samples at the head of the plan that get a contact sheet
Block = Sequence[Sample]


@dataclass(frozen=True)
class Entry:
    """One method's part in a pass: the method, and the run that its rows go to."""

    method: Method
    folder: RunFolder
    save_renders: bool

    def missing(self, blocks: Sequence[Block]) -> list[Block]:
        """The blocks of which a row, or a render that is to be kept, is not on disk yet."""
        rows = self.folder.rows()

        def is_done(sample: Sample) -> bool:
            row = rows.get(sample.id)
            if row is None or row["status"] != "ok":
                return row is not None
            return not self.save_renders or self.folder.has_render(sample.id)

        return [block for block in blocks if not all(is_done(sample) for sample in block)]


@dataclass(frozen=True)
class Prepared:
    """A block on its way through one method: what it could do, rows for what it could not, and how long it took."""

    loaded: list[Loaded]
    predictions: list[Predictions]
    failed: list[Row]
    seconds: float


@dataclass(frozen=True)
class LocalEngine:
    """Runs blocks in this process: while one is scored, the next is loaded, once, and goes through every method."""

    protocol: Protocol
    dataset: Dataset
    entries: Sequence[Entry]

    def run(self, plan: Plan, blocks: Sequence[Block], advance: Callable[[int, int], None]) -> None:
        """Compute what is missing of ``blocks``; ``advance(entry, samples)`` is told what is done."""
        pictured = {sample.id for sample in plan.samples[:PICTURES]}
        with ExitStack() as claims:
            for entry in self.entries:
                claims.enter_context(entry.folder.claim())
            known = [entry.folder.rows() for entry in self.entries]
            work = self._work(blocks)
            for (block, _), prepared in zip(work, self._ahead(work), strict=True):
                for index, part in prepared.items():
                    entry = self.entries[index]
                    rows = self._score(entry, part, pictured)
                    entry.folder.append([row for row in rows if row["sample"] not in known[index]])
                    entry.folder.append_times({one.sample.id: part.seconds for one in part.loaded})
                    advance(index, len(block))

    def _work(self, blocks: Sequence[Block]) -> list[tuple[Block, list[int]]]:
        """Each block with the entries that still want it."""
        wanted = [{block[0].id for block in entry.missing(blocks)} for entry in self.entries]
        work = [(block, [i for i, ids in enumerate(wanted) if block[0].id in ids]) for block in blocks]
        return [(block, entries) for block, entries in work if entries]

    def _ahead(self, work: Sequence[tuple[Block, list[int]]]) -> Iterator[dict[int, Prepared]]:
        """Prepare each block in a thread of its own, one block ahead of whoever consumes them."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            upcoming = [pool.submit(self._prepare, *item) for item in work[:1]]
            for position in range(len(work)):
                prepared = upcoming.pop().result()
                upcoming = [pool.submit(self._prepare, *item) for item in work[position + 1 : position + 2]]
                yield prepared

    @torch.no_grad()
    def _prepare(self, block: Block, entries: list[int]) -> dict[int, Prepared]:
        loaded: list[Loaded] = []
        failed: list[Row] = []
        for sample in block:
            try:
                loaded.append(self._load(sample))
            except SampleError as error:
                failed.append(_failed_row(sample, error))
        return {index: self._predict_all(self.entries[index].method, loaded, failed) for index in entries}

    def _load(self, sample: Sample) -> Loaded:
        if sample.problem:
            raise SampleError(sample.problem)
        frames = [self.dataset.frames(clip.sequence, clip.numbers, self.protocol.preprocess) for clip in sample.clips]
        return Loaded(sample, tuple(frames))

    def _predict_all(self, method: Method, loaded: list[Loaded], failed: list[Row]) -> Prepared:
        try:
            start = perf_counter()
            predicted = self._predict(method, loaded) if loaded else []
            return Prepared(loaded, predicted, failed, (perf_counter() - start) / max(len(loaded), 1))
        except SampleError:
            pass  # one of them cannot be done: find out which, and do the others singly
        start = perf_counter()
        kept: list[Loaded] = []
        predictions: list[Predictions] = []
        failed = [*failed]
        for one in loaded:
            try:
                predictions += self._predict(method, [one])
                kept.append(one)
            except SampleError as error:
                failed.append(_failed_row(one.sample, error))
        return Prepared(kept, predictions, failed, (perf_counter() - start) / max(len(kept), 1))

    def _predict(self, method: Method, loaded: list[Loaded]) -> list[Predictions]:
        """The method's predictions, one mapping a sample."""
        predictions = dict(self.protocol.predict(loaded, method))
        if any(values.isnan().any() for values in predictions.values()):
            raise SampleError("the method predicted NaN")
        if RENDERS in predictions:
            renders = predictions[RENDERS]
            if renders.min() < -1e-3 or renders.max() > 1 + 1e-3:
                raise ValueError(f"{method.card.name} rendered pixels outside [0, 1]")
            predictions[RENDERS] = renders.clamp(0, 1)
        return [{name: values[i] for name, values in predictions.items()} for i in range(len(loaded))]

    @torch.no_grad()
    def _score(self, entry: Entry, prepared: Prepared, pictured: set[str]) -> list[Row]:
        rows = list(prepared.failed)
        if not prepared.loaded:
            return rows
        if entry.save_renders and RENDERS not in prepared.predictions[0]:
            raise UserError(f"save_renders=true: protocol={self.protocol.name} renders nothing; leave it out")
        source = self.protocol.target_pose(entry.method.card)
        scored = self.protocol.score(prepared.loaded, _stacked(prepared.predictions), source)
        for one, predicted, outcome in zip(prepared.loaded, prepared.predictions, scored, strict=True):
            entry.folder.save_arrays(one.sample.id, outcome.arrays)
            if entry.save_renders:
                entry.folder.save_render(one.sample.id, predicted[RENDERS])
            if one.sample.id in pictured and outcome.pictures:
                entry.folder.save_picture(one.sample.id, contact_sheet(outcome.pictures))
            rows.append({**_head(one.sample), "status": "ok", "reason": "", **outcome.row})
        return rows


def _stacked(predictions: Sequence[Predictions]) -> Predictions:
    return {name: torch.stack([each[name] for each in predictions]) for name in predictions[0]}


def _head(sample: Sample) -> Row:
    return {"sample": sample.id, "scenes": list(sample.scenes)}


def _failed_row(sample: Sample, error: SampleError) -> Row:
    return {**_head(sample), "status": "failed", "reason": str(error)}
