"""From what the user typed after `evalkit run` to validated configurations: commas multiply, typos are caught."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from evalkit.config.grammar import (
    Override,
    alternatives,
    check_keys,
    expand,
    merged,
    parse_override,
    read_yaml,
    settings_for,
)
from evalkit.config.run import GROUPS, RunConfig, RunSettings, config_of
from evalkit.config.validation import options_of
from evalkit.errors import UserError, did_you_mean
from evalkit.registry import Group, choices, load, names, variants

ALL_CONTROLS = "baseline=controls"
CONTROLS = ("copy_context", "static", "shuffled_poses", "copy_target", "warp")  # beside every protocol
DEFAULTS = {Group.PROTOCOL: "tps", Group.DATASET: "procedural", Group.ORACLE: "colmap", Group.BASELINE: "copy_context"}


def compose_runs(overrides: Sequence[str]) -> list[RunConfig]:
    """Compose and validate one configuration for each combination of comma-separated values.

    Raises UserError, one line, for bad syntax, an unknown group, choice or key, and a value of the wrong type.
    """
    combinations = expand_runs(overrides)
    _check_methods_named(overrides, combinations)
    return [compose_run(single) for single in combinations]


def compose_run(overrides: Sequence[str]) -> RunConfig:
    """Compose and validate one configuration, of overrides without commas."""
    parsed = [parse_override(text) for text in overrides]
    chosen = {group: _choice(group, parsed) for group in GROUPS}
    _check_groups(parsed)
    tree: dict[str, Any] = {group.value: _component(group, chosen[group], parsed) for group in GROUPS}
    own = [override for override in parsed if override.key.partition(".")[0] not in list(Group)]
    return config_of({**settings_for(RunSettings, own), **tree})


def component_settings(group: Group, choice: str, overrides: Iterable[Override] = ()) -> dict[str, Any]:
    """Return the settings of a component that differ from its defaults: those of a variant, then ``overrides``.

    ``choice`` is a name or ``NAME@VARIANT``. Keys of the overrides come without the group. Raises UserError for an
    unknown choice or key.
    """
    name = choice.partition("@")[0]
    if choice not in (known := choices(group)):
        raise UserError(f"unknown {group} '{choice}'{did_you_mean(choice, known)}")
    model = options_of(group, name)
    of_variant = read_yaml(variants(group, name)[choice]) if "@" in choice else {}
    check_keys(model, of_variant, f"{group}.")
    return {**merged(of_variant, settings_for(model, overrides, f"{group}.")), "name": name}


def _component(group: Group, choice: str, parsed: Sequence[Override]) -> dict[str, Any]:
    mine = [
        Override(key, override.value, override.text)
        for override in parsed
        if (key := _key_within(group, choice, override.key)) is not None
    ]
    return component_settings(group, choice, mine)


def _key_within(group: Group, choice: str, key: str) -> str | None:
    """The key without its group, where it is meant for this choice: ``baseline.KEY`` and ``baseline.NAME.KEY`` are."""
    head, dot, rest = key.partition(".")
    if head != group or not dot:
        return None
    first, dot, inner = rest.partition(".")
    if group is Group.BASELINE and dot and first in names(group):
        return inner if first == choice.partition("@")[0] else None
    return rest


def _choice(group: Group, parsed: Sequence[Override]) -> str:
    typed = [override.text for override in parsed if override.key == group]
    return typed[-1] if typed else DEFAULTS[group]


def _check_groups(parsed: Sequence[Override]) -> None:
    """Raise UserError for a key that begins with no group and is no setting of a run."""
    known = [*map(str, GROUPS), *RunSettings.model_fields]
    for override in parsed:
        head = override.key.partition(".")[0]
        if head not in known:
            raise UserError(f"unknown key '{override.key}'{did_you_mean(head, known)}")


def _check_methods_named(overrides: Sequence[str], combinations: Sequence[Sequence[str]]) -> None:
    """Raise UserError for a setting of one method (``baseline.NAME.KEY``) that is not among those that run."""
    running = {text.removeprefix("baseline=").partition("@")[0] for single in combinations for text in single}
    for text in overrides:
        group, _, rest = text.partition("=")[0].partition(".")
        name, dot, _ = rest.partition(".")
        if group == Group.BASELINE and dot and name in names(Group.BASELINE) and name not in running:
            raise UserError(f"{text}: baseline={name} is not among the methods of this command")


def expand_runs(overrides: Sequence[str]) -> list[list[str]]:
    """Multiply out comma-separated values, and ``baseline=controls`` into each control."""
    return [single for combination in expand(overrides) for single in _each_control(combination)]


def controls_of(overrides: Iterable[str]) -> tuple[str, ...]:
    """Return the controls that stand beside the protocols named: those of all, and each protocol's own.

    >>> controls_of(["protocol=pose@vggt"])[len(CONTROLS) :]
    ('no_motion', 'dolly')
    """
    typed = [text.removeprefix("protocol=").partition("@")[0] for text in overrides if text.startswith("protocol=")]
    chosen = typed or [DEFAULTS[Group.PROTOCOL]]
    own = [load(Group.PROTOCOL, name) for name in chosen if name in names(Group.PROTOCOL)]
    return (*CONTROLS, *(name for protocol in own for name in getattr(protocol, "controls", ())))


def _each_control(overrides: list[str]) -> list[list[str]]:
    if ALL_CONTROLS not in overrides:
        return [overrides]
    others = [text for text in overrides if text != ALL_CONTROLS]
    return [[*others, f"baseline={name}"] for name in controls_of(overrides)]


def with_controls(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what was asked for, and the same for the controls that belong beside it (empty where there are none).

    All controls run where no baseline is named, and beside any baseline that is not a control, unless
    ``controls=false``: no number means much without them.

    >>> with_controls(["protocol=nvs", "baseline=saved", "baseline.dir=x"])[1]
    ['protocol=nvs', 'baseline=controls']
    """
    combinations = expand_runs(overrides)
    named = [name for text in overrides if text.startswith("baseline=") for name in alternatives(text)]
    if not named:
        return [], [*overrides, ALL_CONTROLS]
    known = {ALL_CONTROLS, *(f"baseline={name}" for single in combinations for name in controls_of(single))}
    switches = [parse_override(text).value for text in overrides if text.startswith("controls=")]
    if set(named) <= known or False in switches:
        return [*overrides], []
    return [*overrides], [*(text for text in overrides if not text.startswith("baseline")), ALL_CONTROLS]
