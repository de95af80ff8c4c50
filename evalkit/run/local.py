"""The local engine: one pass over the data scores every method, and each row is put down as soon as it is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter

import torch

from evalkit.data.dataset import Dataset
from evalkit.errors import SampleError, UserError
from evalkit.method import Method
from evalkit.protocol import RENDERS, Loaded, Predictions, Protocol, Sample
from evalkit.run.engine import Advance, Task
from evalkit.run.pictures import contact_sheet
from evalkit.run.records import Row
from evalkit.run.session import Session

Block = Sequence[Sample]


@dataclass(frozen=True)
class Prepared:
    """A block after one method has predicted: samples with predictions, rows of those that failed, seconds a sample."""

    loaded: list[Loaded]
    predictions: list[Predictions]
    failed: list[Row]
    seconds: float


@dataclass(frozen=True)
class LocalEngine:
    """Runs tasks in this process; components are built from the tasks' settings, or taken from ``session``."""

    session: Session

    def run(self, tasks: Sequence[Task], advance: Advance) -> None:
        """Compute all blocks of all tasks, which differ in their baseline only."""
        first = tasks[0]
        work = Pass(
            self.session.protocol(first.config, first.device),
            self.session.dataset(first.config.dataset, first.device),
            [self.session.method(task.config.baseline, task.device) for task in tasks],
            tasks,
        )
        work.run(advance)


@dataclass(frozen=True)
class Pass:
    """One pass over the data: while a block is scored, the next is loaded, once, and goes through every method."""

    protocol: Protocol
    dataset: Dataset
    methods: Sequence[Method]
    tasks: Sequence[Task]

    def run(self, advance: Advance) -> None:
        """Compute every block for the tasks that want it."""
        with ExitStack() as claims:
            for task, method in zip(self.tasks, self.methods, strict=True):
                claims.enter_context(task.sink.claim())
                if task.config.save_renders:
                    task.sink.save_renders_card(method.card, self.protocol.target_pose(method.card))
            known = [task.sink.rows().keys() for task in self.tasks]
            work = self._work()
            for (block, _), prepared in zip(work, self._ahead(work), strict=True):
                for index, part in prepared.items():
                    rows = self._score(index, part)
                    self.tasks[index].sink.append([row for row in rows if row["sample"] not in known[index]])
                    self.tasks[index].sink.append_times({one.sample.id: part.seconds for one in part.loaded})
                    advance(index, len(block))

    def _work(self) -> list[tuple[Block, list[int]]]:
        """Each block, in the order of the plan, with the positions of the tasks that want it."""
        wanted: dict[str, tuple[Block, list[int]]] = {}
        for index, task in enumerate(self.tasks):
            for block in task.blocks:
                wanted.setdefault(block[0].id, (block, []))[1].append(index)
        return list(wanted.values())

    def _ahead(self, work: Sequence[tuple[Block, list[int]]]) -> Iterator[dict[int, Prepared]]:
        """Prepare each block in a thread of its own, one block ahead of whoever consumes them."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            upcoming = [pool.submit(self._prepare, *item) for item in work[:1]]
            for position in range(len(work)):
                prepared = upcoming.pop().result()
                upcoming = [pool.submit(self._prepare, *item) for item in work[position + 1 : position + 2]]
                yield prepared

    @torch.no_grad()
    def _prepare(self, block: Block, wanted_by: list[int]) -> dict[int, Prepared]:
        loaded: list[Loaded] = []
        failed: list[Row] = []
        for sample in block:
            try:
                loaded.append(self._load(sample))
            except SampleError as error:
                failed.append(_failed_row(sample, error))
        return {index: self._predict_all(self.methods[index], loaded, failed) for index in wanted_by}

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
    def _score(self, index: int, prepared: Prepared) -> list[Row]:
        rows, task = list(prepared.failed), self.tasks[index]
        if not prepared.loaded:
            return rows
        if task.config.save_renders and RENDERS not in prepared.predictions[0]:
            raise UserError(f"save_renders=true: protocol={self.protocol.name} renders nothing; leave it out")
        source = self.protocol.target_pose(self.methods[index].card)
        scored = self.protocol.score(prepared.loaded, _stacked(prepared.predictions), source)
        for one, predicted, outcome in zip(prepared.loaded, prepared.predictions, scored, strict=True):
            task.sink.save_arrays(one.sample.id, outcome.arrays)
            if task.config.save_renders:
                task.sink.save_render(one.sample.id, predicted[RENDERS])
            if one.sample.id in task.pictured and outcome.pictures:
                task.sink.save_picture(one.sample.id, contact_sheet(outcome.pictures))
            rows.append({**_head(one.sample), "status": "ok", "reason": "", **outcome.row})
        return rows


def _stacked(predictions: Sequence[Predictions]) -> Predictions:
    return {name: torch.stack([mapping[name] for mapping in predictions]) for name in predictions[0]}


def _head(sample: Sample) -> Row:
    return {"sample": sample.id, "scenes": list(sample.scenes)}


def _failed_row(sample: Sample, error: SampleError) -> Row:
    return {**_head(sample), "status": "failed", "reason": str(error)}
