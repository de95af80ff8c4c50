"""The local engine: loads ahead, renders, scores, and puts down each row as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evalkit.errors import SampleError
from evalkit.method import Method
from evalkit.protocol import Loaded, Protocol, Sample
from evalkit.run.pictures import contact_sheet
from evalkit.run.plan import Plan
from evalkit.run.store import Row, RunFolder

PICTURES = 2  # samples at the head of the plan that get a contact sheet


@dataclass(frozen=True)
class Prepared:
    """A block on its way: what could be loaded and rendered, and rows for what could not."""

    loaded: list[Loaded]
    renders: list[Tensor]
    failed: list[Row]


@dataclass(frozen=True)
class LocalEngine:
    """Runs the blocks of one shard in this process; block n + 1 is loaded and rendered while n is scored."""

    protocol: Protocol
    dataset: Any
    method: Method
    folder: RunFolder
    save_renders: bool

    def missing(self, blocks: Sequence[Sequence[Sample]]) -> list[Sequence[Sample]]:
        """The blocks of which a row, or a render that is to be kept, is not on disk yet."""
        rows = self.folder.rows()

        def is_done(sample: Sample) -> bool:
            row = rows.get(sample.id)
            if row is None or row["status"] != "ok":
                return row is not None
            return not self.save_renders or self.folder.has_render(sample.id)

        return [block for block in blocks if not all(is_done(sample) for sample in block)]

    def run(self, plan: Plan, blocks: Sequence[Sequence[Sample]], advance: Callable[[int], None]) -> None:
        """Compute what is missing of ``blocks``; ``advance`` is told how many samples each block dealt with."""
        pictured = {sample.id for sample in plan.samples[:PICTURES]}
        with self.folder.claim():
            done = self.folder.rows()
            if self.save_renders:
                source = self.protocol.target_pose(self.method.card)
                self.folder.save_renders_card(self.method.card.name, source.value)
            for block, prepared in self._ahead(self.missing(blocks)):
                rows = self._score(prepared, pictured)
                self.folder.append([row for row in rows if row["sample"] not in done])
                advance(len(block))

    def _ahead(self, blocks: Sequence[Sequence[Sample]]) -> Iterator[tuple[Sequence[Sample], Prepared]]:
        with ThreadPoolExecutor(max_workers=1) as pool:
            upcoming = pool.submit(self._prepare, blocks[0]) if blocks else None
            for position, block in enumerate(blocks):
                assert upcoming is not None
                prepared = upcoming.result()
                if position + 1 < len(blocks):
                    upcoming = pool.submit(self._prepare, blocks[position + 1])
                yield block, prepared

    @torch.inference_mode()
    def _prepare(self, block: Sequence[Sample]) -> Prepared:
        loaded, failed = [], []
        for sample in block:
            try:
                loaded.append(self._load(sample))
            except SampleError as error:
                failed.append(_failed_row(sample, error))
        try:
            renders = list(self._render(loaded)) if loaded else []
        except SampleError:
            return self._prepare_singly(loaded, failed)
        return Prepared(loaded, renders, failed)

    def _prepare_singly(self, loaded: list[Loaded], failed: list[Row]) -> Prepared:
        """One sample of a block cannot be rendered: find out which, and render the others."""
        kept, renders = [], []
        for one in loaded:
            try:
                renders.extend(self._render([one]))
                kept.append(one)
            except SampleError as error:
                failed = [*failed, _failed_row(one.sample, error)]
        return Prepared(kept, renders, failed)

    def _load(self, sample: Sample) -> Loaded:
        if sample.problem:
            raise SampleError(sample.problem)
        frames = [self.dataset.frames(clip.sequence, clip.numbers, self.protocol.preprocess) for clip in sample.clips]
        return Loaded(sample, tuple(frames))

    def _render(self, loaded: list[Loaded]) -> Tensor:
        renders = self.protocol.render(loaded, self.method)
        if renders.isnan().any():
            raise SampleError("the method rendered NaN pixels")
        if renders.min() < -1e-3 or renders.max() > 1 + 1e-3:
            raise ValueError(f"{self.method.card.name} rendered pixels outside [0, 1]")
        return renders.clamp(0, 1)

    @torch.inference_mode()
    def _score(self, prepared: Prepared, pictured: set[str]) -> list[Row]:
        rows = list(prepared.failed)
        if not prepared.loaded:
            return rows
        source = self.protocol.target_pose(self.method.card)
        scored = self.protocol.score(prepared.loaded, torch.stack(prepared.renders), source)
        for one, render, outcome in zip(prepared.loaded, prepared.renders, scored, strict=True):
            self.folder.save_arrays(one.sample.id, outcome.arrays)
            if self.save_renders:
                self.folder.save_render(one.sample.id, render)
            if one.sample.id in pictured and outcome.pictures:
                self.folder.save_picture(one.sample.id, contact_sheet(outcome.pictures))
            rows.append({**_head(one.sample), "status": "ok", "reason": "", **outcome.row})
        return rows


def _head(sample: Sample) -> Row:
    return {"sample": sample.id, "scenes": list(sample.scenes)}


def _failed_row(sample: Sample, error: SampleError) -> Row:
    return {**_head(sample), "status": "failed", "reason": str(error)}
