"""One run from its configuration to its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch
import yaml

from evalkit.cache import cache_folder
from evalkit.card import Card
from evalkit.config.options import ComponentOptions
from evalkit.config.schema import RunConfig
from evalkit.data.dataset import Dataset
from evalkit.errors import Unsupported, UserError
from evalkit.method import Method
from evalkit.oracles.cache import CachedOracle
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import Protocol, Summary
from evalkit.registry import Group, implementation, load
from evalkit.run.local import Entry, LocalEngine
from evalkit.run.manifest import code_digest, digest_of, environment
from evalkit.run.plan import Plan, make_plan
from evalkit.run.store import Row, RunFolder, index_bytes, table
from evalkit.stats.bootstrap import Interval
from evalkit.weights.store import absent, digest


def pick_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda``, ``cuda:1`` into a device that exists; UserError otherwise."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device={name} is not available here: expected cpu, auto or an existing cuda:N") from error
    return device


@dataclass
class Session:
    """Components that several runs of one command share: built once, by their options."""

    built: dict[str, Any] = field(default_factory=dict)

    def dataset(self, options: ComponentOptions, device: torch.device) -> Dataset:
        """Build a dataset or return the one built before."""
        return self._build(Group.DATASET, options, device)  # type: ignore[no-any-return]

    def method(self, options: ComponentOptions, device: torch.device) -> Method:
        """Build a method or return the one built before."""
        return self._build(Group.BASELINE, options, device)  # type: ignore[no-any-return]

    def oracle(self, options: ComponentOptions, device: torch.device) -> Oracle:
        """Build an oracle; those that look at pixels answer through the cache."""
        oracle: Oracle = self._build(Group.ORACLE, options, device)
        if oracle.identity()["name"] == "cameras":
            return oracle
        return CachedOracle(oracle, cache_folder() / "oracles")

    def notes(self) -> list[str]:
        """What the components want the user to know: frames left out, say."""
        return [note for part in self.built.values() for note in getattr(part, "notes", ())]

    def _build(self, group: Group, options: ComponentOptions, device: torch.device) -> Any:
        key = f"{group} {options.model_dump_json()} {device}"
        if key not in self.built:
            self.built[key] = implementation(load(group, options.name))(options, str(device))
        return self.built[key]


@dataclass(frozen=True)
class Job:
    """A run that is planned and has its folder, but has not necessarily computed anything."""

    config: RunConfig
    protocol: Protocol
    dataset: Dataset
    method: Method
    plan: Plan
    folder: RunFolder

    @property
    def entry(self) -> Entry:
        """Its part in a pass over the data."""
        return Entry(self.method, self.folder, self.config.save_renders)

    def progress(self) -> tuple[int, int]:
        """Samples of this process's shard that are done, and all of them."""
        blocks = self.plan.blocks(self.config.shard)
        total = sum(len(block) for block in blocks)
        return total - sum(len(block) for block in self.entry.missing(blocks)), total


def prepare(config: RunConfig, session: Session) -> Job:
    """Build the components, freeze the plan, and find or create the run's folder."""
    device = pick_device(config.device)
    dataset = session.dataset(config.dataset, device)
    protocol_class = implementation(load(Group.PROTOCOL, config.protocol.name))
    oracle = session.oracle(config.oracle, device) if protocol_class.uses_oracle else None
    protocol: Protocol = protocol_class(config.protocol, dataset, oracle, config.seed)
    method = session.method(config.baseline, device)
    protocol.target_pose(method.card)
    plan = make_plan(protocol, config.limit, config.batch)
    check_card(method.card, protocol, dataset, plan)
    if not config.allow_missing:
        refuse_missing(plan, config.baseline)
    inputs = {
        "protocol": {"version": protocol.version, **config.protocol.model_dump(mode="json")},
        "baseline": {**config.baseline.model_dump(mode="json"), "weights": method.card.weights},
        "oracle": oracle.identity() if oracle is not None and protocol.uses_oracle else None,
        "seed": config.seed,
        "index": plan.digest,
        "data": dataset.digest(),
        "networks": {name: digest(name) for column in protocol.columns for name in column.networks},
        "code": code_digest(),
        "environment": environment(device),
    }
    identity = digest_of(inputs)
    names = [f"{protocol.name}@{protocol.version}", config.dataset.name, config.baseline.name]
    folder = RunFolder(Path(config.out, *names, identity[:12]), str(config.shard).replace("/", "-of-"))
    manifest = {"digest": identity, "inputs": inputs, "config": config.model_dump(mode="json")}
    folder.create(manifest, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), index_bytes(plan.samples))
    return Job(config, protocol, dataset, method, plan, folder)


def check_card(card: Card, protocol: Protocol, dataset: Dataset, plan: Plan) -> None:
    """Refuse what the method's card rules out, before anything is computed."""
    lacking = sorted(card.needs - dataset.provides)
    if lacking:
        raise Unsupported(f"baseline '{card.name}' needs {', '.join(lacking)}, which this dataset does not have")
    if card.resolution not in (None, protocol.preprocess.resolution):
        raise UserError(f"baseline '{card.name}' works at protocol.resolution={card.resolution} only")
    counts = {len(clip.context) for sample in plan.samples for clip in sample.clips if clip.context}
    if card.context_views is not None and not counts <= card.context_views:
        takes = sorted(card.context_views)
        raise UserError(f"baseline '{card.name}' takes {takes} context views, the protocol gives {sorted(counts)}")


def refuse_missing(plan: Plan, options: ComponentOptions) -> None:
    """Refuse a published list of which the data lack a scene, and a baseline that lacks the input of a sample."""
    lacking = [sample.id for sample in plan.samples if sample.listed and sample.problem]
    what = "scenes of the index cannot be had from this dataset"
    missing = getattr(load(Group.BASELINE, options.name), "missing", None)
    if not lacking and missing is not None:
        lacking, problem = missing(options, [sample.id for sample in plan.samples if not sample.problem])
        what = f"samples {problem}"
    if lacking:
        shown = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
        raise UserError(
            f"{len(lacking)} of {len(plan.samples)} {what} ({shown}): complete them, or type allow_missing=true "
            "to have them stand in the coverage as failed"
        )


def passes(jobs: Sequence[Job]) -> list[list[Job]]:
    """Group jobs that differ in their baseline only: one pass over the data serves them all."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.config.model_copy(update={"baseline": None}).model_dump_json(), []).append(job)
    return list(groups.values())


def execute(jobs: Sequence[Job], advance: Callable[[int, int], None]) -> list[dict[str, Any] | None]:
    """Compute the missing rows of one pass, see `passes`; summarise each run of which all rows are there.

    ``advance(job, samples)`` is told of progress. Returns each summary as written to summary.json, or None while
    other shards have rows to give.
    """
    first = jobs[0]
    for job in jobs:
        if job.config.save_renders:
            job.folder.save_renders_card(job.method.card, job.protocol.target_pose(job.method.card).value)
    engine = LocalEngine(first.protocol, first.dataset, [job.entry for job in jobs])
    engine.run(first.plan, first.plan.blocks(first.config.shard), advance)
    return [_finish(job) for job in jobs]


def _finish(job: Job) -> dict[str, Any] | None:
    rows = job.folder.rows()
    if any(sample.id not in rows for sample in job.plan.samples):
        return None
    planned = [rows[sample.id] for sample in job.plan.samples]
    return job.folder.finish(planned, _summary(job, job.protocol.summarise(table(planned), job.folder.arrays), planned))


def _seconds(job: Job) -> dict[str, Interval]:
    """How long the method took for a sample: the one number that depends on the machine and what else it did."""
    seconds = list(job.folder.times().values())
    return {"seconds": Interval(median(seconds), min(seconds), max(seconds), len(seconds), 0)} if seconds else {}


def _summary(job: Job, summary: Summary, rows: list[Row]) -> dict[str, Any]:
    failures = Counter(str(row["reason"]) for row in rows if row["status"] != "ok")
    return {
        "protocol": f"{job.protocol.name}@{job.protocol.version}",
        "dataset": job.config.dataset.name,
        "baseline": job.config.baseline.name,
        "target_pose": job.protocol.target_pose(job.method.card).value,
        "oracle": job.config.oracle.name if job.protocol.uses_oracle else None,
        "coverage": {"planned": len(rows), "scored": len(rows) - failures.total()},
        "failures": dict(failures.most_common()),
        "counts": dict(summary.counts),
        "metrics": {key: asdict(interval) for key, interval in {**summary.metrics, **_seconds(job)}.items()},
        "slices": {name: asdict(interval) for name, interval in summary.slices.items()},
        "columns": [asdict(column) for column in job.protocol.columns],
        "missing": {
            column.key: list(lacking) for column in job.protocol.columns if (lacking := absent(column.networks))
        },
        "references": {name: dict(values) for name, values in summary.references.items()},
        "notes": list(summary.notes),
    }
