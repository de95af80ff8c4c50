"""From a configuration to a planned run: what it depends on, computes and can reuse. No torch is imported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from evalkit.card import Card, TargetPose
from evalkit.config.compose import compose_runs, with_controls
from evalkit.config.run import RunConfig
from evalkit.data.dataset import Catalogue
from evalkit.device import Device, resolve_device
from evalkit.digests import digest_of
from evalkit.errors import Unsupported, UserError
from evalkit.protocol import Planner, Sample
from evalkit.registry import OURS, Group, entry, load, package_of
from evalkit.run.identity import code_of, content_of, environment, settings_without_paths
from evalkit.run.plan import RunPlan, make_plan
from evalkit.run.records import SCHEMA, Conditions, Manifest, RunSummary
from evalkit.run.session import Session
from evalkit.run.store import RunFolder
from evalkit.weights.store import digest

Block = tuple[Sample, ...]


@dataclass(frozen=True)
class Job:
    """A planned run. Nothing has been computed or written for it yet."""

    config: RunConfig
    device: Device
    planner: Planner
    card: Card
    target_pose: TargetPose
    plan: RunPlan
    manifest: Manifest
    conditions: Conditions
    folder: RunFolder
    known: int = field(init=False)  # samples of this process's share of which the rows were there from the start

    def __post_init__(self) -> None:
        self.folder.check_manifest(self.manifest)
        missing = sum(len(block) for block in self.missing())
        object.__setattr__(self, "known", sum(len(block) for block in self.blocks) - missing)

    @cached_property
    def blocks(self) -> list[Block]:
        """The blocks of this process's share."""
        return self.plan.blocks(self.config.shard)

    def missing(self) -> list[Block]:
        """Return the blocks of which a row, or a render that is to be kept, is not on disk yet."""
        rows = self.folder.rows()

        def is_done(sample: Sample) -> bool:
            row = rows.get(sample.id)
            if row is None or row["status"] != "ok":
                return row is not None
            return not self.config.save_renders or self.folder.has_render(sample.id)

        return [block for block in self.blocks if not all(is_done(sample) for sample in block)]

    def finished(self) -> RunSummary | None:
        """Return the summary, where every row of the run is there and it fits them."""
        return None if self.missing() else self.folder.finished(self.manifest.digest)

    @property
    def origin(self) -> str:
        """Where the rows of this process's share come from: ``computed``, ``resumed k of n`` or ``reused``."""
        total = sum(len(block) for block in self.blocks)
        if self.known == total:
            return "reused"
        return f"resumed {self.known} of {total}" if self.known else "computed"


def prepare(config: RunConfig, session: Session) -> Job:
    """Plan a run and work out its identity. Raises UserError, one line, for whatever cannot be served."""
    device = resolve_device(config.device)
    catalogue = session.catalogue(config.dataset, device.name)
    planner = session.planner(config, device.name)
    card = session.card(config.baseline, device.name)
    target_pose = planner.target_pose(card)
    plan = make_plan(planner, config.limit, config.batch)
    check_card(card, planner, catalogue, plan)
    if not config.allow_missing:
        _refuse_missing(plan, config)
    oracle = session.oracle_identity(config.oracle, device.name).identity() if planner.uses_oracle else None
    data = catalogue.digest()
    inputs = _inputs(config, planner, card, {"oracle": oracle, "index": plan.digest, "data": data}, device)
    identity = digest_of(inputs)
    manifest = Manifest(digest=identity, inputs=inputs, config=config.tree()).sealed()
    protocol = f"{planner.name}@{planner.version}"
    path = Path(config.out, protocol, config.dataset.name, config.baseline.name, identity[:12])
    conditions = Conditions(
        protocol=protocol,
        protocol_settings=settings_without_paths(config.protocol),
        dataset=config.dataset.name,
        dataset_settings=settings_without_paths(config.dataset),
        data=data,
        index=plan.digest,
        oracle=oracle,
        seed=config.seed,
        resolution=planner.preprocess.resolution,
        pixels=planner.preprocess.profile.value,
        target_pose=target_pose.value,
    )
    folder = RunFolder(path, str(config.shard).replace("/", "-of-"))
    return Job(config, device, planner, card, target_pose, plan, manifest, conditions, folder)


def prepare_all(overrides: Sequence[str], session: Session) -> tuple[list[Job], list[str]]:
    """Plan every run of a command before the first computes, so that a mistake in the last costs nothing.

    Controls that stand beside what was asked for are left out where the data or the protocol's options do not suit
    them; the second result says why, a line each. Raises UserError where nothing can run.
    """
    asked, beside = with_controls(overrides)
    wanted = compose_runs(asked) if asked else []
    jobs = [prepare(config, session) for config in wanted]
    left_out: list[str] = []
    for config in compose_runs(beside) if beside else []:
        if config in wanted:
            continue
        try:
            jobs.append(prepare(config, session))
        except Unsupported as error:
            left_out.append(str(error))
    if not jobs:
        raise UserError(left_out[0])
    return jobs, left_out


def _inputs(config: RunConfig, planner: Planner, card: Card, parts: dict[str, Any], device: Device) -> dict[str, Any]:
    """Everything that the numbers of a run depend on."""
    components = [(Group.PROTOCOL, config.protocol), (Group.DATASET, config.dataset), (Group.BASELINE, config.baseline)]
    if planner.uses_oracle:
        components.append((Group.ORACLE, config.oracle))
        if not _covers_its_settings(Group.ORACLE, config.oracle.name):
            parts["oracle_settings"] = config.oracle.model_dump(mode="json")
    metrics = [(Group.METRIC, name) for name in getattr(config.protocol, "metrics", ())]
    code = code_of([*((group, options.name) for group, options in components), *metrics])
    return {
        "schema": SCHEMA,
        "protocol": {"version": planner.version, "settings": config.protocol.model_dump(mode="json")},
        "baseline": {"settings": config.baseline.model_dump(mode="json"), "weights": card.weights},
        "dataset": settings_without_paths(config.dataset),
        "content": {
            f"{group}.{key}": sha256
            for group, options in components
            if not _covers_its_settings(group, options.name)
            for key, sha256 in content_of(options).items()
        },
        **parts,
        "seed": config.seed,
        "networks": {name: digest(name) for column in planner.columns for name in column.networks},
        "code": code["modules"],
        "packages": code["packages"],
        "environment": environment(device),
    }


def _covers_its_settings(group: Group, name: str) -> bool:
    """Whether the digest of a dataset or the identity of an oracle holds all that its settings name.

    Ours do. An outside component says so by its attribute ``covers_settings``: what its settings name may be large.
    """
    if group not in (Group.DATASET, Group.ORACLE):
        return False
    return package_of(entry(group, name)) == OURS or bool(getattr(load(group, name), "covers_settings", False))


def check_card(card: Card, planner: Planner, catalogue: Catalogue, plan: RunPlan) -> None:
    """Refuse what the method's card rules out, before anything is computed."""
    lacking = sorted(card.needs - catalogue.provides)
    if lacking:
        raise Unsupported(f"baseline '{card.name}' needs {', '.join(lacking)}, which this dataset does not have")
    if card.resolution not in (None, planner.preprocess.resolution):
        raise UserError(f"baseline '{card.name}' works at protocol.resolution={card.resolution} only")
    counts = {len(clip.context) for sample in plan.samples for clip in sample.clips if clip.context}
    if card.context_views is not None and not counts <= card.context_views:
        takes = sorted(card.context_views)
        raise UserError(f"baseline '{card.name}' takes {takes} context views, the protocol gives {sorted(counts)}")


def _refuse_missing(plan: RunPlan, config: RunConfig) -> None:
    """Refuse a published list of which the data lack a scene, and a method that has no input for a sample."""
    lacking = [sample.id for sample in plan.samples if sample.listed and sample.problem]
    what = "scenes of the index cannot be had from this dataset"
    missing: Callable[..., tuple[Sequence[str], str]] | None
    missing = getattr(load(Group.BASELINE, config.baseline.name), "missing", None)
    if not lacking and missing is not None:
        ids, phrase = missing(config.baseline, [sample.id for sample in plan.samples if not sample.problem])
        lacking, what = list(ids), f"samples {phrase}"
    if lacking:
        shown = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
        raise UserError(
            f"{len(lacking)} of {len(plan.samples)} {what} ({shown}): complete them, or type allow_missing=true "
            "to have them stand in the coverage as failed"
        )
