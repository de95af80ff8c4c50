"""From what the user typed to validated configurations: Hydra composes, commas multiply, typos are caught."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Sweep
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from evalkit.config.schema import RunConfig, options_of, validate
from evalkit.errors import UserError, did_you_mean
from evalkit.registry import Group, load, names

ALL_CONTROLS = "baseline=controls"
CONTROLS = ("copy_context", "static", "shuffled_poses", "copy_target", "warp")  # beside every protocol
GROUPS = (Group.PROTOCOL, Group.DATASET, Group.ORACLE, Group.BASELINE)


@dataclass(frozen=True)
class Root:
    """A root of configuration: its YAML file, and the groups of which the user chooses."""

    file: str
    groups: tuple[str, ...]


RUN = Root("config", tuple(group.value for group in GROUPS))


def choices(group: str) -> list[str]:
    """What may be written after ``group=``: our YAML files and, of components, those that are installed."""
    folder = files("evalkit.config") / group
    ours = [entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")]
    return sorted({*ours, *(names(Group(group)) if group in list(Group) else ())})


def compose_runs(overrides: Sequence[str]) -> list[RunConfig]:
    """Compose and validate one configuration for each combination of comma-separated values.

    Raises UserError, one line, for bad syntax, an unknown group, choice or key, and a value of the wrong type.
    """
    return [validate(compose_tree(single)) for single in expand(overrides)]


def expand(overrides: Sequence[str]) -> list[list[str]]:
    """Multiply out comma-separated values, the last one fastest.

    >>> expand(["protocol=nvs,tps", "baseline=warp"])
    [['protocol=nvs', 'baseline=warp'], ['protocol=tps', 'baseline=warp']]
    """
    combinations = (list(each) for each in product(*(_alternatives(text) for text in overrides)))
    return [single for each in combinations for single in _each_control(each)]


def controls_of(overrides: Iterable[str]) -> tuple[str, ...]:
    """The controls that stand beside the protocols named: those of all, and each protocol's own (``controls``).

    >>> controls_of(["protocol=pose@vggt"])[len(CONTROLS) :]
    ('standing', 'dolly')
    """
    chosen = [text.removeprefix("protocol=").partition("@")[0] for text in overrides if text.startswith("protocol=")]
    own = [load(Group.PROTOCOL, name) for name in chosen if name in names(Group.PROTOCOL)]
    return (*CONTROLS, *(name for protocol in own for name in getattr(protocol, "controls", ())))


def _each_control(overrides: list[str]) -> list[list[str]]:
    if ALL_CONTROLS not in overrides:
        return [overrides]
    others = [text for text in overrides if text != ALL_CONTROLS]
    return [[*others, f"baseline={name}"] for name in controls_of(overrides)]


def with_controls(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """What was asked for, and the same for the controls that belong beside it (empty where there are none).

    All controls run where no baseline is named, and beside any baseline that is not a control, unless
    ``controls=false``: no number means much without them.

    >>> with_controls(["protocol=nvs", "baseline=saved", "baseline.dir=x"])[1]
    ['protocol=nvs', 'baseline=controls']
    """
    combinations = expand(overrides)
    named = [name for text in overrides if text.startswith("baseline=") for name in _alternatives(text)]
    if not named:
        return [], [*overrides, ALL_CONTROLS]
    known = {ALL_CONTROLS, *(f"baseline={name}" for single in combinations for name in controls_of(single))}
    switches = [_parse(text).value() for text in overrides if text.startswith("controls=")]
    if set(named) <= known or False in switches:
        return [*overrides], []
    return [*overrides], [*(text for text in overrides if not text.startswith("baseline")), ALL_CONTROLS]


def _alternatives(text: str) -> list[str]:
    override = _parse(text)
    if not override.is_sweep_override():
        return [text]
    return [f"{override.key_or_group}={value}" for value in override.sweep_string_iterator()]


def _parse(text: str) -> Override:
    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise UserError(f"cannot read '{text}': expected key=value (quote values with spaces or =)") from error
    if override.is_add() or override.is_delete() or override.package is not None:
        raise UserError(f"cannot read '{text}': expected a plain key=value")
    if isinstance(override.value(), Sweep) and not override.is_choice_sweep():
        raise UserError(f"cannot read '{text}': list the values, as in {override.key_or_group}=1,2,3")
    return override


def compose_tree(overrides: Sequence[str], root: Root = RUN) -> dict[str, Any]:
    """Compose one tree of plain values, every group and key checked against what exists."""
    parsed = [_parse(text) for text in overrides]
    selections = [text for text, override in zip(overrides, parsed, strict=True) if _is_choice(override, root)]
    settings = [override for override in parsed if not _is_choice(override, root)]
    _register_plugins(override for override in parsed if _is_choice(override, root))
    logging.getLogger("hydra").setLevel(logging.ERROR)
    with initialize_config_module("evalkit.config", version_base=None):
        tree = compose(root.file, overrides=selections)
        for override in settings:
            _check_key(tree, override.key_or_group)
        try:
            tree = compose(root.file, overrides=list(overrides))
            plain = OmegaConf.to_container(tree, resolve=True)
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(str(error).splitlines()[0]) from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _is_choice(override: Override, root: Root) -> bool:
    """Whether this selects a component (``dataset=folder``); if so, the component must exist."""
    key = override.key_or_group
    if key not in root.groups:
        return False
    choice, known = str(override.value()), choices(key)
    if choice not in known:
        raise UserError(f"unknown {key} '{choice}'{did_you_mean(choice, known)}")
    return True


def _register_plugins(selections: Iterable[Override]) -> None:
    """Give a component that came without YAML a config node made of its options' defaults."""
    for override in selections:
        if override.key_or_group not in list(Group):
            continue
        group, name = Group(override.key_or_group), str(override.value())
        if name in names(group) and not (files("evalkit.config") / group.value / f"{name}.yaml").is_file():
            defaults = {
                key: field.get_default(call_default_factory=True)
                for key, field in options_of(group, name).model_fields.items()
                if not field.is_required()
            }
            ConfigStore.instance().store(group=group.value, name=name, node={**defaults, "name": name})


def _check_key(tree: DictConfig, key: str) -> None:
    node: Any = tree
    parts = key.split(".")
    for depth, part in enumerate(parts):
        if not isinstance(node, DictConfig) or part not in node:
            known = [".".join([*parts[:depth], str(k)]) for k in node] if isinstance(node, DictConfig) else []
            raise UserError(f"unknown key '{key}'{did_you_mean(key, known)}")
        node = node._get_node(part)
