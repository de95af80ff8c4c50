"""`evalkit run ... dry_run=true`: what would be computed, kept and reused. Nothing is computed or written."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from evalkit.console import console
from evalkit.run.prepare import Job

ROW_BYTES = 6_000  # a row, in its journal and in rows.parquet, and its share of the index


def print_plans(jobs: Sequence[Job]) -> None:
    """Print settings, size of the plan, disk and state of each run."""
    for job in jobs:
        _line(f"{job.folder.path}")
        _line(yaml.safe_dump(job.config.tree(), sort_keys=False).rstrip())
        samples = job.plan.samples
        problems = sum(bool(sample.problem) for sample in samples)
        frames = sum(len(clip.numbers) for sample in samples for clip in sample.clips)
        blocks = f"{len(job.blocks)} blocks of at most {job.plan.batch} in shard {job.config.shard}"
        _line(f"plan: {len(samples)} samples ({problems} cannot be scored), {frames} frames, {blocks}")
        oracle = job.conditions.oracle
        _line(f"target poses: {job.target_pose}; oracle: {oracle['name'] if oracle else 'none'}")
        _line(f"disk: about {_size(disk_bytes(job))}")
        _line(f"state: {_state(job)}\n")


def disk_bytes(job: Job) -> int:
    """Estimate the size of a finished run's folder, of this process's share of the samples."""
    kept = getattr(job.planner, "kept_bytes", None)
    side = job.planner.preprocess.resolution
    total = 0
    for sample in (sample for block in job.blocks for sample in block if not sample.problem):
        total += ROW_BYTES + (0 if kept is None else int(kept(sample)))
        if job.config.save_renders:
            total += len(sample.clips[0].target) * 3 * side * side * 4
    return total


def _state(job: Job) -> str:
    total = sum(len(block) for block in job.blocks)
    if job.known == total:
        return f"all {total} samples are there and would be reused"
    return f"{job.known} of {total} samples are there and would be reused; {total - job.known} would be computed"


def _size(count: int) -> str:
    unit, size = next(
        (unit, size) for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)) if count >= size or size == 1e3
    )
    return f"{count / size:.1f} {unit}"


def _line(text: str) -> None:
    console().print(text, markup=False, highlight=False, soft_wrap=True)
