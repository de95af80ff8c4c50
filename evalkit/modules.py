"""Modules and what they import, found by reading source text: nothing is imported."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, resolve_name
from pathlib import Path

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+(:[\w.]+)?")  # "package.module" or "package.module:attribute"


@cache
def module_spec(name: str) -> ModuleSpec | None:
    """Return where a module lies, or None where there is none. Unlike `find_spec`, parents are not imported."""
    top, *inner = name.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    path = top
    for part in inner:
        if spec is None or spec.submodule_search_locations is None:
            return None
        path = f"{path}.{part}"
        spec = PathFinder.find_spec(path, list(spec.submodule_search_locations))
    return spec


def module_file(name: str) -> Path | None:
    """Return the file of a module, or None where it has none (built-in, namespace, absent)."""
    spec = module_spec(name)
    if spec is None or spec.origin is None or spec.origin in ("built-in", "frozen"):
        return None
    return Path(spec.origin)


def is_standard(name: str) -> bool:
    """Return whether a module belongs to Python itself."""
    return name.partition(".")[0] in sys.stdlib_module_names


def is_installed_package(name: str) -> bool:
    """Return whether a module was installed by a package manager, so that a version stands for its content."""
    file = module_file(name.partition(".")[0])
    return file is not None and any(part in ("site-packages", "dist-packages") for part in file.parts)


def import_closure(roots: Iterable[str], own_packages: frozenset[str]) -> tuple[dict[str, Path], set[str]]:
    """Return the modules that ``roots`` are made of, and the names of the installed packages that they import.

    Followed are imports at any depth of the code, and dotted names in strings ("module:attribute"), into
    ``own_packages`` (top-level names) and into modules that no package manager installed. The first result maps each
    module to its file, parents included.
    """
    files: dict[str, Path] = {}
    packages: set[str] = set()
    waiting = [part for root in roots for part in _with_parents(root)]
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in files or is_standard(name):
            continue
        if top not in own_packages and is_installed_package(name):
            packages.add(top)
            continue
        file = module_file(name)
        if file is not None:
            files[name] = file
            waiting += [part for imported in _mentioned(name, file) for part in _with_parents(imported)]
    return files, packages


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _mentioned(name: str, file: Path) -> frozenset[str]:
    """Names that a module imports or spells out; some are attributes of modules, which have no file."""
    if file.suffix != ".py":
        return frozenset()
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    return _names_in(file, file.stat().st_mtime_ns, package)


@cache
def _names_in(file: Path, modified_ns: int, package: str) -> frozenset[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return frozenset()  # its content still counts; importing it will say what is wrong
    return frozenset(found for node in ast.walk(tree) for found in _names_of(node, package))


def _names_of(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            try:
                base = resolve_name("." * node.level + base, package)
            except ImportError:
                return
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
        name = node.value.partition(":")[0]
        if not is_standard(name) and (":" in node.value or module_file(name) is not None):
            yield name
