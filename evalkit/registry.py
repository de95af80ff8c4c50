"""Finds protocols, baselines, datasets, oracles and metrics by entry point.

A component is named in its package's metadata as ``name = "module:attribute"`` under ``evalkit.<group>s``, so that
anything a user installs is found like our own. Nothing is imported before it is asked for.

A component may come in two halves. The class that the entry point names then answers what can be answered without
tensors (settings, plan, card, digest) and imports no torch. Its attribute ``implementation``, "module:Class", names the
subclass that computes; see `implementation`. A component without that attribute is both.
"""

from __future__ import annotations

import ast
from enum import StrEnum
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evalkit.errors import UserError, did_you_mean


class Group(StrEnum):
    """The kinds of component."""

    PROTOCOL = "protocol"
    BASELINE = "baseline"
    DATASET = "dataset"
    ORACLE = "oracle"
    METRIC = "metric"


@cache
def _entries(group: Group) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=f"evalkit.{group}s")}


def names(group: Group) -> list[str]:
    """Names of all installed components of a group, sorted."""
    return sorted(_entries(group))


def load(group: Group, name: str) -> Any:
    """Import a component. Raises UserError for an unknown name or one whose packages are missing."""
    entry = _entries(group).get(name)
    if entry is None:
        raise UserError(f"unknown {group} '{name}'{did_you_mean(name, names(group))}")
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        raise UserError(f"{group} '{name}' needs the package '{error.name}': pip install {error.name}") from error


def implementation(component: Any) -> Any:
    """Return the class that computes for a component as `load` gives it: the one it names, else itself."""
    named = getattr(component, "implementation", None)
    if named is None:
        return component
    module, _, attribute = str(named).partition(":")
    return getattr(import_module(module), attribute)


def summary(group: Group, name: str) -> str:
    """First sentence of a component's docstring, read from its source: nothing heavy is imported."""
    entry = _entries(group)[name]
    spec = find_spec(entry.module)
    if spec is None or spec.origin is None:
        return "(not importable)"
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == entry.attr:
            return (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
    return ""
