"""`evalkit list`: every component in one line; every setting of one component; or whether all can be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from rich.table import Table
from rich.text import Text

from evalkit.console import console
from evalkit.errors import UserError, did_you_mean
from evalkit.registry import Group, names, summary, variants

GROUPS = {f"{group}s": group for group in Group}
SETTINGS = "run"  # `evalkit list run`: the settings of every run


def print_catalogue(what: str | None, name: str | None, check: bool) -> None:
    """Print one kind of component, or all; with a name the settings of that component."""
    if what is not None and what not in (*GROUPS, SETTINGS):
        raise UserError(f"cannot list '{what}'{did_you_mean(what, (*GROUPS, SETTINGS))}")
    if what == SETTINGS or name is not None:
        _print_settings(what, name)
        return
    chosen = {plural: group for plural, group in GROUPS.items() if what in (None, plural)}
    if check:
        _check(chosen.values())
        return
    for plural, group in chosen.items():
        table = Table(title=plural, title_justify="left", box=None, show_header=False)
        for known in names(group):
            table.add_row(Text(known, "bold"), Text(summary(group, known)))
            for variant in variants(group, known):
                table.add_row(Text(variant, "bold"), Text(f"{known} with other settings"))
        console().print(table)


def _print_settings(what: str | None, name: str | None) -> None:
    from evalkit.config.compose import component_settings
    from evalkit.config.describe import plain, settings_of
    from evalkit.config.options import Options
    from evalkit.config.run import RunSettings
    from evalkit.config.validation import options_of

    model: type[Options] = RunSettings
    title, prefix, changed = SETTINGS, "", {}
    if what is not None and what != SETTINGS:
        group = GROUPS[what]
        if group is Group.METRIC:
            raise UserError(f"metrics have no settings: type `evalkit list {what}`")
        assert name is not None
        title, prefix, changed = name, f"{group}.", component_settings(group, name)
        model = options_of(group, name.partition("@")[0])
    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
    for header in ("key", "type", "default", "meaning"):
        table.add_column(header, no_wrap=header in ("key", "default"), overflow="fold")
    for setting in settings_of(model):
        default = _nested(changed, setting.key)
        shown = setting.default if default is None else plain(default)
        table.add_row(*map(Text, (prefix + setting.key, setting.type, shown, setting.meaning)))
    console().print(table)


def _nested(tree: object, key: str) -> object:
    """The value of a dotted key; None where there is none."""
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _check(groups: Iterable[Group]) -> None:
    """Import each component in a process of its own and say what is wrong. Raises UserError if anything is."""
    components = [(group, name) for group in groups for name in names(group)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = pool.map(_imported, components)
        wrong = 0
        for (group, name), problem in zip(components, outcomes, strict=True):
            wrong += bool(problem)
            console().print(Text(f"{group} {name}: ") + Text(problem or "ok", "red" if problem else ""), soft_wrap=True)
    if wrong:
        raise UserError(f"{wrong} of {len(components)} components cannot be used: see the lines above")


def _imported(component: tuple[Group, str]) -> str:
    """What is wrong with one component; empty where nothing is."""
    command = [sys.executable, "-m", "evalkit.cli.check", *component]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    except subprocess.TimeoutExpired:
        return "importing it takes more than five minutes"
    lines = [line for line in result.stderr.strip().splitlines() if line]
    return "" if result.returncode == 0 else (lines[-1] if lines else f"exit code {result.returncode}")
