"""Planned runs with the components that compute them, as tests take them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evalkit.config.compose import compose_run
from evalkit.config.run import RunConfig
from evalkit.data.dataset import Dataset
from evalkit.method import Method
from evalkit.run.execute import execute, passes
from evalkit.run.plan import RunPlan
from evalkit.run.prepare import Job, prepare
from evalkit.run.records import RunSummary
from evalkit.run.session import Session
from evalkit.run.store import RunFolder


@dataclass(frozen=True)
class TestJob:
    """A planned run, and its components, which are built when asked for."""

    __test__ = False
    job: Job
    session: Session

    @property
    def config(self) -> RunConfig:
        return self.job.config

    @property
    def plan(self) -> RunPlan:
        return self.job.plan

    @property
    def folder(self) -> RunFolder:
        return self.job.folder

    @cached_property
    def protocol(self) -> Any:
        return self.session.protocol(self.job.config, self.job.device.name)

    @cached_property
    def dataset(self) -> Dataset:
        return self.session.dataset(self.job.config.dataset, self.job.device.name)

    @cached_property
    def method(self) -> Method:
        return self.session.method(self.job.config.baseline, self.job.device.name)


def planned_job(overrides: Sequence[str], session: Session | None = None) -> TestJob:
    """Plan one run."""
    session = session or Session()
    return TestJob(prepare(compose_run(overrides), session), session)


def executed(*jobs: TestJob) -> list[RunSummary]:
    """Compute planned runs of one session and return their summaries."""
    by_run: dict[int, RunSummary] = {}
    for group in passes([one.job for one in jobs]):
        for job, summary in zip(group, execute(group, jobs[0].session, lambda index, count: None), strict=True):
            assert summary is not None
            by_run[id(job)] = summary
    return [by_run[id(one.job)] for one in jobs]
