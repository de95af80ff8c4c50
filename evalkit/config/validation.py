"""From plain values to typed settings, with errors that name the key as the user types it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from evalkit.config.options import ComponentOptions
from evalkit.errors import UserError
from evalkit.registry import Group, load

Model = TypeVar("Model", bound=BaseModel)


def options_of(group: Group, name: str) -> type[ComponentOptions]:
    """Return the options model of a component: the attribute ``Options`` of its class.

    Raises UserError where the component has none.
    """
    model = getattr(load(group, name), "Options", ComponentOptions)
    if not (isinstance(model, type) and issubclass(model, ComponentOptions)):
        raise UserError(f"{group} '{name}': its attribute Options must be a subclass of ComponentOptions")
    return model


def parse(model: type[Model], values: Mapping[str, Any], prefix: str = "") -> Model:
    """Validate plain values against a model. Raises UserError naming the first key that does not fit.

    Values pass through JSON, where strict mode still turns "even" into Sampling.EVEN and a list into a tuple.
    """
    try:
        return model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise UserError(prefix + first_problem(error)) from error


def first_problem(error: ValidationError) -> str:
    """Describe the first problem of a failed validation in one line."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    got = "" if first["type"] == "missing" else f", got {first['input']!r}"
    return f"{key}: {first['msg'].removeprefix('Value error, ')}{got}"
