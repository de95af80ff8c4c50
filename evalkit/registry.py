"""Finds protocols, baselines, datasets, oracles and metrics by entry point.

A component is named in its package's metadata as ``name = "module:attribute"`` under ``evalkit.<group>s``, so that
anything a user installs is found like our own. Nothing is imported before it is asked for.

A component may come in two halves. The class that the entry point names then answers what can be answered without
tensors (settings, plan, card, digest) and imports no torch. Its attribute ``implementation``, "module:Class", names the
subclass that computes; see `implementation`. A component without that attribute is both.
"""

from __future__ import annotations

import ast
import traceback
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from evalkit.errors import UserError, did_you_mean
from evalkit.modules import module_file

OURS = "evalkit"  # the distribution whose names no other may use


class Group(StrEnum):
    """The kinds of component."""

    PROTOCOL = "protocol"
    BASELINE = "baseline"
    DATASET = "dataset"
    ORACLE = "oracle"
    METRIC = "metric"


@cache
def _entries(group: Group) -> dict[str, list[EntryPoint]]:
    """All entry points of a group by name; several where packages use the same name."""
    by_name: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=f"evalkit.{group}s"):
        by_name.setdefault(entry.name, []).append(entry)
    return by_name


def forget() -> None:
    """Look for entry points again: packages were installed or removed while this process runs."""
    _entries.cache_clear()


def names(group: Group) -> list[str]:
    """Return the names of all installed components of a group, sorted."""
    return sorted(_entries(group))


def entry(group: Group, name: str) -> EntryPoint:
    """Return the entry point of a component. Raises UserError for an unknown name, or one that two packages use."""
    found = _entries(group).get(name)
    if found is None:
        raise UserError(f"unknown {group} '{name}'{did_you_mean(name, names(group))}")
    if len(found) > 1:
        raise UserError(f"{group} '{name}': {clash(group, name)}; rename or uninstall the other one")
    return found[0]


def clash(group: Group, name: str) -> str:
    """Say which packages use one name; empty where only one does."""
    found = _entries(group)[name]
    if len(found) < 2:
        return ""
    return "this name is used by " + " and by ".join(f"{package_of(one)} ({one.value})" for one in found)


def package_of(found: EntryPoint) -> str:
    """Return the name of the distribution that an entry point belongs to."""
    return found.dist.name if found.dist is not None else "an unknown package"


def load(group: Group, name: str) -> Any:
    """Import a component. Raises UserError, one line, for an unknown name or one that cannot be imported."""
    return guarded(f"{group} '{name}'", entry(group, name).load)


def implementation(component: Any) -> Any:
    """Return the class that computes for a component as `load` gives it: the one it names, else itself.

    Raises UserError, one line, where it cannot be imported.
    """
    named = getattr(component, "implementation", None)
    if named is None:
        return component
    module, _, attribute = str(named).partition(":")
    return guarded(f"{named}", lambda: getattr(import_module(module), attribute))


def guarded(what: str, import_it: Callable[[], Any]) -> Any:
    """Import something; whatever goes wrong in its code becomes one line: a UserError that names ``what``."""
    try:
        return import_it()
    except UserError:
        raise
    except ModuleNotFoundError as error:
        raise UserError(f"{what} needs the module '{error.name}': pip install {error.name}") from error
    except (Exception, SystemExit) as error:
        raise UserError(f"{what} cannot be imported: {described(error)}") from error


def described(error: BaseException) -> str:
    """Describe an error of somebody's code in one line: its kind, its message, and the file and line."""
    message = " ".join(str(error).split()) or "no message"
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {message}" + ("" if error.filename is None else f" in {error.filename}")
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {message}{place}"


def folder_of(group: Group, name: str) -> Path:
    """Return the folder of a component's module, where its YAML files lie. Nothing is imported."""
    file = module_file(entry(group, name).module)
    if file is None:
        raise UserError(f"{group} '{name}': no module '{entry(group, name).module}'")
    return file.parent


def variants(group: Group, name: str) -> dict[str, Path]:
    """Return the named variants of a component: files ``NAME@VARIANT.yaml`` beside its module, by ``NAME@VARIANT``."""
    if clash(group, name) or module_file(entry(group, name).module) is None:
        return {}
    return {file.stem: file for file in sorted(folder_of(group, name).glob(f"{name}@*.yaml"))}


def choices(group: Group) -> list[str]:
    """Return what may be written after ``group=``: all components and their named variants."""
    return sorted({*names(group), *(variant for name in names(group) for variant in variants(group, name))})


def summary(group: Group, name: str) -> str:
    """Return the first sentence of a component's docstring, read from its source: nothing is imported."""
    if problem := clash(group, name):
        return f"({problem})"
    return summary_of(entry(group, name))


def summary_of(found: EntryPoint) -> str:
    """Return the first sentence of the docstring of what an entry point names; nothing is imported."""
    file = module_file(found.module)
    if file is None:
        return f"(no module '{found.module}')"
    try:
        body = ast.parse(file.read_bytes()).body
    except (SyntaxError, ValueError) as error:
        return f"(cannot be read: {described(error)})"
    return next((text for node in body if (text := _docstring_of(node, found.attr)) is not None), "")


def _docstring_of(node: ast.stmt, attribute: str) -> str | None:
    """What a statement says about ``attribute``: its docstring, or its argument ``summary=`` or ``source=``."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == attribute:
        return (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == attribute for t in node.targets):
        value = node.value
        keywords = value.keywords if isinstance(value, ast.Call) else []
        said = {keyword.arg: keyword.value for keyword in keywords}
        for name in ("summary", "source"):
            text = said.get(name)
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                return text.value
        return ""
    return None
