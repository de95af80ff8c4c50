"""`evalkit run` and `evalkit score`: compose, plan everything, then compute with a progress bar."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from rich.text import Text

from evalkit.cli.progress import Progress, Task
from evalkit.cli.tables import print_tables
from evalkit.console import console
from evalkit.run.find import FoundRun
from evalkit.run.prepare import Job, prepare_all
from evalkit.run.records import RunSummary
from evalkit.run.session import Session


def run_product(overrides: Sequence[str]) -> None:
    """Run every combination of the overrides and print one table for each set of conditions that runs share."""
    session = Session()
    jobs, left_out = prepare_all(overrides, session)
    for line in left_out:
        console().print(Text("left out: ", "yellow") + Text(line))
    for note in session.notes():
        console().print(Text("note: ", "yellow") + Text(note))
    if any(job.config.dry_run for job in jobs):
        from evalkit.cli.dry_run import print_plans

        print_plans(jobs)
        return
    finished = _execute_all(jobs, session)
    runs = [FoundRun(job.folder.path, summary) for job, summary in finished]
    print_tables(runs, {job.folder.path: job.origin for job, _ in finished})
    for job in jobs:
        if not any(job is done for done, _ in finished):
            have = len(job.folder.rows())
            console().print(f"{job.folder.path}: {have} of {len(job.plan.samples)} rows; the other shards are to come")
    if any(job.config.strict and summary.missing for job, summary in finished):
        raise typer.Exit(3)


def _execute_all(jobs: Sequence[Job], session: Session) -> list[tuple[Job, RunSummary]]:
    """Run all jobs with a progress bar; returns those that are complete, with their summaries, in their order."""
    ready = [(job, job.finished()) for job in jobs]
    finished = {id(job): summary for job, summary in ready if summary is not None}
    waiting = [job for job, summary in ready if summary is None]
    if waiting:
        from evalkit.run.execute import execute, passes  # these import torch: a finished run is printed without

        try:
            with Progress() as progress:
                for group in passes(waiting):
                    tasks = [_task(progress, job) for job in group]

                    def advance(index: int, count: int, tasks: Sequence[Task] = tasks) -> None:
                        tasks[index].advance(count)

                    for job, summary in zip(group, execute(group, session, advance), strict=True):
                        if summary is not None:
                            finished[id(job)] = summary
        except KeyboardInterrupt:
            typer.echo("evalkit: stopped; the same command goes on where it was", err=True)
            raise typer.Exit(130) from None
    return [(job, finished[id(job)]) for job in jobs if id(job) in finished]


def _task(progress: Progress, job: Job) -> Task:
    label = f"{job.planner.name} · {job.config.dataset.name} · {job.config.baseline.name}"
    return progress.task(label, sum(len(block) for block in job.blocks), "samples", done=job.known)
