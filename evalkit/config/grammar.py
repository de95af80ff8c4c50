"""The grammar of the command line: ``key=value``, by Hydra's parser, checked against typed settings."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override as HydraOverride
from hydra.core.override_parser.types import Sweep
from hydra.errors import HydraException

from evalkit.config.options import Options
from evalkit.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Override:
    """One ``key=value``: the key, the value as parsed (``null`` is None), and the text of the value."""

    key: str
    value: Any
    text: str


def parse_override(text: str) -> Override:
    """Parse one ``key=value``. Raises UserError for bad syntax, and for several values (see `expand`)."""
    parsed = _parse(text)
    if parsed.is_sweep_override():
        raise UserError(f"cannot read '{text}': expected one value, not several")
    return Override(parsed.key_or_group, parsed.value(), text.partition("=")[2])


def expand(overrides: Sequence[str]) -> list[list[str]]:
    """Multiply out comma-separated values, the last one fastest.

    >>> expand(["protocol=nvs,tps", "baseline=warp"])
    [['protocol=nvs', 'baseline=warp'], ['protocol=tps', 'baseline=warp']]
    """
    return [list(combination) for combination in product(*(alternatives(text) for text in overrides))]


def alternatives(text: str) -> list[str]:
    """Return ``key=value`` for each of the comma-separated values of one override."""
    override = _parse(text)
    if not override.is_sweep_override():
        return [text]
    return [f"{override.key_or_group}={value}" for value in override.sweep_string_iterator()]


def _parse(text: str) -> HydraOverride:
    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise UserError(f"cannot read '{text}': expected key=value (quote values with spaces or =)") from error
    if override.is_add() or override.is_delete() or override.package is not None:
        raise UserError(f"cannot read '{text}': expected a plain key=value")
    if isinstance(override.value(), Sweep) and not override.is_choice_sweep():
        raise UserError(f"cannot read '{text}': list the values, as in {override.key_or_group}=1,2,3")
    return override


def set_key(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in nested dictionaries, making those that are missing."""
    *parents, last = key.split(".")
    for part in parents:
        inner = tree.get(part)
        tree[part] = tree = dict(inner) if isinstance(inner, Mapping) else {}
    tree[last] = value


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``changes``, nested mappings merged alike.

    >>> merged({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 4}})
    {'a': 1, 'b': {'c': 2, 'd': 4}}
    """
    both = {
        key: merged(base[key], value) if isinstance(value, Mapping) and isinstance(base.get(key), Mapping) else value
        for key, value in changes.items()
    }
    return {**base, **both}


def settings_for(model: type[Options], overrides: Iterable[Override], prefix: str = "") -> dict[str, Any]:
    """Turn overrides whose keys belong to ``model`` (without ``prefix``) into a tree of values.

    Raises UserError for a key that the model does not have.
    """
    tree: dict[str, Any] = {}
    for override in overrides:
        field_type = _type_of(model, override.key, prefix)
        set_key(tree, override.key, override.text if _is_text(field_type, override.value) else override.value)
    return tree


def check_keys(model: type[Options], tree: Mapping[str, Any], prefix: str = "") -> None:
    """Raise UserError, naming the closest key, for a key of a nested mapping that ``model`` does not have."""
    for key, value in tree.items():
        field_type = _type_of(model, key, prefix)
        if isinstance(value, Mapping) and (inner := options_in(field_type)) is not None:
            check_keys(inner, value, f"{prefix}{key}.")


def read_yaml(file: Path) -> dict[str, Any]:
    """Read a YAML file of settings. Raises UserError naming the file where it is not a mapping."""
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file}: cannot be read as YAML ({' '.join(str(error).split())})") from error
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise UserError(f"{file}: expected a mapping of settings")
    return tree


def options_in(field_type: Any) -> type[Options] | None:
    """Return the nested Options model of a field's type, through Optional and Annotated; None where there is none."""
    if isinstance(field_type, type) and issubclass(field_type, Options):
        return field_type
    if typing.get_origin(field_type) in (typing.Union, types.UnionType, typing.Annotated):
        return next((inner for part in typing.get_args(field_type) if (inner := options_in(part)) is not None), None)
    return None


def _type_of(model: type[Options], key: str, prefix: str) -> Any:
    """The type of a dotted key. Raises UserError for one that does not exist."""
    inner: type[Options] | None = model
    parts = key.split(".")
    field_type: Any = None
    for depth, part in enumerate(parts):
        if inner is None or part not in inner.model_fields or (depth == 0 and part == "name"):
            fields = [] if inner is None else [name for name in inner.model_fields if (depth, name) != (0, "name")]
            known = [prefix + ".".join([*parts[:depth], field]) for field in fields]
            raise UserError(f"unknown key '{prefix}{key}'{did_you_mean(prefix + key, known)}")
        field_type = inner.model_fields[part].annotation
        inner = options_in(field_type)
    return field_type


def _is_text(field_type: Any, value: Any) -> bool:
    """Whether a number or a truth value was typed where text is meant, such as a folder called 2024."""
    accepts = typing.get_args(field_type) if typing.get_origin(field_type) in (typing.Union, types.UnionType) else ()
    return isinstance(value, bool | int | float) and (field_type is str or str in accepts)
