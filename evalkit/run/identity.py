"""The identity of a run: digests of everything its numbers depend on. No torch is imported."""

from __future__ import annotations

import platform
import typing
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from evalkit import __version__
from evalkit.config.options import ComponentOptions, Options
from evalkit.device import Device
from evalkit.digests import content_digest
from evalkit.errors import UserError
from evalkit.modules import import_closure
from evalkit.registry import OURS, Group, entry, load

OUR_PACKAGES = frozenset({"evalkit", "protocols", "baselines"})
CORE = ("evalkit.run.local", "evalkit.run.execute")  # what computes rows and summaries, whatever is scored
# Packages whose version can change a number, whoever imports them.
NUMERIC_PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pandas", "pillow", "pycolmap", "av", "safetensors")


def code_of(components: Iterable[tuple[Group, str]]) -> dict[str, Any]:
    """Return digests of all modules that the core and these components are made of, and versions of packages.

    Our modules and those of outside components count by content, what an outside component imports from installed
    packages by version. Modules of components that are not in use are left out.
    """
    roots = [*CORE]
    files: dict[str, Path] = {}
    packages: set[str] = set()
    for group, name in components:
        found = entry(group, name)
        own_roots = [found.module, *_implementation_module(load(group, name))]
        if found.dist is None or found.dist.name == OURS:
            roots += own_roots
        else:
            own = {found.module.partition(".")[0], *_top_level(found.dist.files or ())}
            more, imported = import_closure(own_roots, OUR_PACKAGES | own)
            files, packages = files | more, packages | set(map(_distribution, imported))
    files |= import_closure(roots, OUR_PACKAGES)[0]
    return {
        "modules": {name: content_digest(file)[:16] for name, file in sorted(files.items())},
        "packages": {name: _version(name) for name in sorted({*NUMERIC_PACKAGES, *packages})},
    }


def content_of(options: ComponentOptions) -> dict[str, str]:
    """Return the SHA-256 of each file and folder that a setting names, by the key of the setting.

    Raises UserError where one of them cannot be read.
    """
    digests = {}
    for key, path in _paths_in(options):
        try:
            digests[key] = content_digest(path)
        except OSError as error:
            raise UserError(f"{key}={path}: cannot be read ({error.strerror})") from error
    return digests


def settings_without_paths(options: ComponentOptions) -> dict[str, Any]:
    """Return the settings of a component but for those that name a file or folder: their content counts instead."""
    tree: dict[str, Any] = options.model_dump(mode="json", exclude={"name"})
    paths = {key.partition(".")[0] for key, _ in _paths_in(options)}
    return {key: value for key, value in tree.items() if key not in paths}


def environment(device: Device) -> dict[str, str]:
    """Return versions and hardware: rows of different ones are not mixed."""
    return {
        "evalkit": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": device.kind,
    }


def _implementation_module(component: Any) -> list[str]:
    named = getattr(component, "implementation", None)
    return [] if named is None else [str(named).partition(":")[0]]


def _paths_in(options: Options, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Settings, at any depth, that are free text or paths and name something that exists."""
    for key, field in type(options).model_fields.items():
        value = getattr(options, key)
        if isinstance(value, Options):
            yield from _paths_in(value, f"{prefix}{key}.")
        elif key != "name" and {str, Path} & {field.annotation, *_parts_of(field.annotation)}:
            texts = value if isinstance(value, list | tuple) else [value]
            paths = [Path(text).expanduser() for text in texts if isinstance(text, str | Path) and str(text)]
            yield from ((f"{prefix}{key}", path) for path in paths if _exists(path))


def _parts_of(annotation: Any) -> Iterator[Any]:
    """The types inside an annotation: str of ``str | None`` and of ``tuple[str, ...]``."""
    for part in typing.get_args(annotation):
        yield part
        yield from _parts_of(part)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long a name, a null byte: no path
        return False


def _top_level(files: Iterable[Any]) -> set[str]:
    """Top-level module names among a distribution's files."""
    tops = {str(file).replace("\\", "/").partition("/")[0] for file in files}
    return {top.removesuffix(".py") for top in tops if "." not in top.removesuffix(".py")}


@cache
def _distribution(package: str) -> str:
    """The distribution that an importable package belongs to, such as pillow for PIL."""
    return packages_distributions().get(package, [package])[0].lower()


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
