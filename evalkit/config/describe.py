"""Every key of a settings model with its type, default and meaning, as `evalkit list KIND NAME` prints them."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic.fields import FieldInfo

from evalkit.config.grammar import options_in
from evalkit.config.options import Options


@dataclass(frozen=True)
class Setting:
    """One key, as the user types it after the group; its type and default as text, and what it means."""

    key: str
    type: str
    default: str
    meaning: str


def settings_of(model: type[Options], prefix: str = "") -> Iterator[Setting]:
    """Yield all keys of a model, those of nested models included, in their order."""
    for name, field in model.model_fields.items():
        if name == "name" and not prefix:
            continue
        inner = options_in(field.annotation)
        if inner is not None and isinstance(field.get_default(call_default_factory=True), inner):
            yield from settings_of(inner, f"{prefix}{name}.")
        else:
            yield Setting(prefix + name, type_name(field.annotation), default_of(field), field.description or "")


def type_name(annotation: Any) -> str:
    """Write a type as a user would say it.

    >>> type_name(int | None), type_name(tuple[int, int]), type_name(typing.Literal["a", "b"])
    ('int or null', '[int,int]', 'a | b')
    """
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is type(None):
        return "null"
    if origin is typing.Annotated:
        return type_name(parts[0])
    if origin is typing.Literal:
        return " | ".join(plain(part) for part in parts)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_name(part) for part in parts)
    if origin is tuple:
        inner = f"{type_name(parts[0])},..." if parts[-1] is Ellipsis else ",".join(map(type_name, parts))
        return f"[{inner}]"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " | ".join(str(member.value) for member in annotation)
    name = getattr(annotation, "typed", getattr(annotation, "__name__", str(annotation)))
    return {str: "text", bool: "true | false"}.get(annotation, name)


def default_of(field: FieldInfo) -> str:
    """Write the default of a field as the user would type it; "(required)" where there is none."""
    return "(required)" if field.is_required() else plain(field.get_default(call_default_factory=True))


def plain(value: Any) -> str:
    """Write a value as it is typed on the command line.

    >>> plain(None), plain(True), plain((1, 2)), plain("")
    ('null', 'true', '[1,2]', "''")
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple | list):
        return f"[{','.join(map(plain, value))}]"
    return str(value) or "''"
