"""`evalkit list`: every component in one line, from its docstring."""

from __future__ import annotations

from rich.table import Table

from evalkit.cli.console import console
from evalkit.errors import UserError, did_you_mean
from evalkit.registry import Group, names, summary


def print_catalogue(what: str | None) -> None:
    """Print one group, or all."""
    groups = {f"{group}s": group for group in Group}
    if what is not None and what not in groups:
        raise UserError(f"cannot list '{what}'{did_you_mean(what, groups)}")
    for plural, group in groups.items():
        if what in (None, plural):
            table = Table(title=plural, title_justify="left", box=None, show_header=False)
            for name in names(group):
                table.add_row(f"[bold]{name}[/]", summary(group, name).replace("[", "\\["))
            console().print(table)
