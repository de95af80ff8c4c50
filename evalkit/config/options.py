"""The base of every typed settings model: strict, closed, immutable."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Settings of one component. An unknown key or a value of another type is an error, never ignored.

    Each field has a type, a default and a one-line ``description``: the only place where these are written.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ComponentOptions(Options):
    """Settings of a protocol, dataset, oracle or baseline; ``name`` is its name in the registry, filled in by it."""

    name: str = ""
