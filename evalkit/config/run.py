"""The settings of one run: four components with their options, and how to go about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, field_serializer, field_validator

from evalkit.config.options import ComponentOptions, Options
from evalkit.config.validation import options_of, parse
from evalkit.registry import Group

GROUPS = (Group.PROTOCOL, Group.DATASET, Group.ORACLE, Group.BASELINE)


class Shard(BaseModel):
    """Share ``index`` of ``count`` equal shares of the plan."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    typed: ClassVar[str] = "I/N"

    index: Annotated[int, Field(ge=0)] = 0
    count: Annotated[int, Field(ge=1)] = 1

    def __str__(self) -> str:
        """As typed: ``0/4``."""
        return f"{self.index}/{self.count}"


class RunSettings(Options):
    """How to go about a run, whatever is scored."""

    limit: Annotated[int, Field(ge=1)] | None = Field(None, description="Score only the first N samples of the plan.")
    seed: int = Field(0, description="Seed of the plan: windows, splits, pairs.")
    shard: Shard = Field(Shard(), description="This process's share I/N of the plan; shards may run side by side.")
    batch: Annotated[int, Field(ge=1)] = Field(
        4, description="Samples a block; blocks are cut from the plan and always computed whole."
    )
    device: str = Field("auto", description="cpu, cuda, cuda:1; auto takes a GPU where there is one.")
    out: str = Field("runs", description="The folder under which runs lie.")
    save_renders: bool = Field(False, description="Keep every render exactly, for `evalkit score`.")
    allow_missing: bool = Field(
        False, description="Go on where the data lack a scene of a published list, or a folder of renders a sample."
    )
    strict: bool = Field(False, description="Exit with code 3 where a number is missing for want of weights.")
    controls: bool = Field(True, description="Run the controls beside any other method.")
    dry_run: bool = Field(False, description="Print settings, plan, disk and reusable runs; compute nothing.")

    @field_serializer("shard")
    def _write_shard(self, shard: Shard) -> str:
        return str(shard)

    @field_validator("shard", mode="before")
    @classmethod
    def _parse_shard(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        index, slash, count = value.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise ValueError("expected I/N with 0 <= I < N, such as shard=0/4")
        return Shard(index=int(index), count=int(count))


class RunConfig(RunSettings):
    """One run: four components with their options, and how to go about it.

    The components' options are pydantic models of their own classes, found by ``name`` in the registry.
    """

    protocol: SerializeAsAny[ComponentOptions]
    dataset: SerializeAsAny[ComponentOptions]
    oracle: SerializeAsAny[ComponentOptions]
    baseline: SerializeAsAny[ComponentOptions]

    def tree(self) -> dict[str, Any]:
        """Return all settings as plain values, from which `config_of` makes an equal configuration."""
        return self.model_dump(mode="json")


def config_of(tree: Mapping[str, Any]) -> RunConfig:
    """Turn a tree of plain values, components named by ``name``, into a RunConfig.

    Raises UserError, one line, for the first thing that does not fit.
    """
    components = {
        group.value: parse(options_of(group, tree[group.value]["name"]), tree[group.value], f"{group}.")
        for group in GROUPS
    }
    settings = parse(RunSettings, {key: value for key, value in tree.items() if key not in components})
    return RunConfig.model_validate({**dict(settings), **components})
