"""The typed schema that every composed configuration must fit before anything runs."""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

from pydantic import Field, SerializeAsAny, ValidationError, field_validator

from evalkit.config.options import ComponentOptions, Options
from evalkit.errors import UserError
from evalkit.registry import Group, load

Model = TypeVar("Model", bound=Options)


class Shard(Options):
    """Share ``index`` of ``count`` equal shares of the plan."""

    index: Annotated[int, Field(ge=0)]
    count: Annotated[int, Field(ge=1)]

    def __str__(self) -> str:
        """As typed: ``0/4``."""
        return f"{self.index}/{self.count}"


class RunConfig(Options):
    """One run: four components with their options, and how to go about it.

    The components' options are pydantic models of their own classes, found by ``name`` in the registry.
    """

    protocol: SerializeAsAny[ComponentOptions]
    dataset: SerializeAsAny[ComponentOptions]
    oracle: SerializeAsAny[ComponentOptions]
    baseline: SerializeAsAny[ComponentOptions]
    limit: Annotated[int, Field(ge=1)] | None
    seed: int
    shard: Shard
    batch: Annotated[int, Field(ge=1)]
    device: str
    out: str
    save_renders: bool
    allow_missing: bool
    strict: bool
    controls: bool

    @field_validator("shard", mode="before")
    @classmethod
    def _parse_shard(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        index, slash, count = value.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise ValueError("expected I/N with 0 <= I < N, such as shard=0/4")
        return Shard(index=int(index), count=int(count))


def options_of(group: Group, name: str) -> type[ComponentOptions]:
    """The options model of a component: the attribute ``Options`` of its class."""
    model = getattr(load(group, name), "Options", None)
    if not (isinstance(model, type) and issubclass(model, ComponentOptions)):
        raise TypeError(f"{group} '{name}' must have an attribute Options, a subclass of ComponentOptions")
    return model


def validate(tree: dict[str, Any]) -> RunConfig:
    """Turn a composed tree into a RunConfig. Raises UserError, one line, for the first thing that does not fit."""
    components = {
        group.value: parse(options_of(group, tree[group.value]["name"]), tree[group.value], f"{group}.")
        for group in (Group.PROTOCOL, Group.DATASET, Group.ORACLE, Group.BASELINE)
    }
    try:
        return RunConfig.model_validate(tree | components)
    except ValidationError as error:
        raise UserError(_first_problem(error)) from error


def parse(model: type[Model], values: dict[str, Any], prefix: str = "") -> Model:
    """Validate plain values against a model; a UserError names the key as the user would type it."""
    try:
        # Through JSON, where strict mode still turns "even" into Sampling.EVEN and a list into a tuple.
        return model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise UserError(prefix + _first_problem(error)) from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    got = "" if first["type"] == "missing" else f", got {first['input']!r}"
    return f"{key}: {first['msg'].removeprefix('Value error, ')}{got}"
