"""Computes planned runs, and turns their rows into summaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from statistics import median

import yaml

from evalkit.protocol import Summary
from evalkit.run.engine import Advance, Engine, Task
from evalkit.run.local import LocalEngine
from evalkit.run.prepare import Job
from evalkit.run.records import INTERVALS, ColumnRecord, Coverage, IntervalRecord, Row, RunSummary
from evalkit.run.session import Session
from evalkit.run.store import table
from evalkit.weights.store import absent

PICTURES = 2  # samples at the head of the plan that get a contact sheet


def passes(jobs: Sequence[Job]) -> list[list[Job]]:
    """Group jobs that differ in their baseline only: one pass over the data serves them all."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.config.model_copy(update={"baseline": None}).model_dump_json(), []).append(job)
    return list(groups.values())


def execute(
    jobs: Sequence[Job], session: Session, advance: Advance, engine: Engine | None = None
) -> list[RunSummary | None]:
    """Compute the missing rows of one pass, see `passes`; summarise each run of which all rows are there.

    ``advance(job, samples)`` is told of progress. Returns each summary as it is written to summary.json, or None while
    other shards have rows to give.
    """
    finished = [job.finished() for job in jobs]
    open_jobs = [index for index, summary in enumerate(finished) if summary is None]
    for index in open_jobs:
        job = jobs[index]
        text = yaml.safe_dump(job.config.tree(), sort_keys=False)
        job.folder.create(job.manifest, text, job.plan.index)
    tasks = [_task(jobs[index]) for index in open_jobs]
    wanting = [position for position, task in enumerate(tasks) if task.blocks]
    if wanting:
        chosen = [tasks[position] for position in wanting]
        (engine or LocalEngine(session)).run(chosen, lambda i, count: advance(open_jobs[wanting[i]], count))
    for index in open_jobs:
        finished[index] = _finish(jobs[index], session)
    return finished


def _task(job: Job) -> Task:
    pictured = frozenset(sample.id for sample in job.plan.samples[:PICTURES])
    return Task(job.config, job.device.name, job.missing(), pictured, job.folder)


def _finish(job: Job, session: Session) -> RunSummary | None:
    rows = job.folder.rows()
    if any(sample.id not in rows for sample in job.plan.samples):
        return None
    planned = [rows[sample.id] for sample in job.plan.samples]
    summary = session.protocol(job.config, job.device.name).summarise(table(planned), job.folder.arrays)
    record = _record(job, summary, planned, job.folder.write_table(planned))
    job.folder.write_summary(record)
    return record


def _record(job: Job, summary: Summary, rows: Sequence[Row], rows_sha256: str) -> RunSummary:
    failures = Counter(str(row["reason"]) for row in rows if row["status"] != "ok")
    seconds, damaged = job.folder.times()
    metrics = {key: IntervalRecord(**asdict(interval)) for key, interval in summary.metrics.items()}
    notes = [f"times: {len(damaged)} unreadable lines are left out ({damaged[0]}, ...)"] if damaged else []
    return RunSummary(
        digest=job.manifest.digest,
        conditions=job.conditions,
        baseline=job.config.baseline.name,
        baseline_settings=job.config.baseline.model_dump(mode="json", exclude={"name"}),
        coverage=Coverage(planned=len(rows), scored=len(rows) - failures.total()),
        failures=dict(failures.most_common()),
        counts=dict(summary.counts),
        metrics=metrics | _seconds(list(seconds.values())),
        slices={name: IntervalRecord(**asdict(interval)) for name, interval in summary.slices.items()},
        columns=tuple(ColumnRecord(**asdict(column)) for column in job.planner.columns),
        missing={column.key: lacking for column in job.planner.columns if (lacking := absent(column.networks))},
        references={name: dict(values) for name, values in summary.references.items()},
        notes=(*summary.notes, *notes),
        rows_sha256=rows_sha256,
        intervals=INTERVALS,
    ).sealed()


def _seconds(values: Sequence[float]) -> dict[str, IntervalRecord]:
    """How long the method took for a sample: the one number that depends on the machine and what else it did."""
    if not values:
        return {}
    record = IntervalRecord(mean=median(values), low=min(values), high=max(values), n=len(values), scenes=0)
    return {"seconds": record}
