"""What the command line does, from Python."""

from __future__ import annotations

from typing import Any

from evalkit.config.describe import plain
from evalkit.errors import UserError
from evalkit.run.prepare import prepare_all
from evalkit.run.records import RunSummary
from evalkit.run.session import Session


def evaluate(*overrides: str, **settings: Any) -> list[RunSummary]:
    """Score methods as `evalkit run` does, and return the summary of each run, in the order of the command line.

    Args:
        overrides: what is typed after `evalkit run`, such as "protocol.resolution=64".
        settings: choices and settings without a dot, such as protocol="tps", baseline="warp", limit=4.

    Returns:
        Summaries as they lie in the runs' folders. Controls run beside other methods unless controls=False.

    Raises:
        UserError: one line, for whatever the command line answers with exit code 2.
    """
    from evalkit.run.execute import execute, passes

    session = Session()
    jobs, _ = prepare_all([*overrides, *(f"{key}={plain(value)}" for key, value in settings.items())], session)
    if any(job.config.dry_run for job in jobs):
        raise UserError("dry_run=true prints a plan and has no summary: type it after `evalkit run`")
    summaries: dict[int, RunSummary | None] = {}
    for group in passes(jobs):
        done = execute(group, session, lambda index, count: None)
        summaries |= {id(job): summary for job, summary in zip(group, done, strict=True)}
    return [summary for job in jobs if (summary := summaries[id(job)]) is not None]
