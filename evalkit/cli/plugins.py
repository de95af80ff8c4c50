"""Commands that components bring: entry points of the group ``evalkit.commands``, imported only when they run."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from evalkit.registry import guarded, summary_of

GROUP = "evalkit.commands"


def mount_commands(app: typer.Typer) -> None:
    """Add all installed commands, functions as typer takes them, to ``app``. Names that it has already stay its own."""
    own = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if entry.name not in own:
            app.command(entry.name, cls=_lazy_command(entry), help=summary_of(entry))(_nothing)


def _nothing() -> None:
    """In place of the command's function, which is not imported yet."""


def _lazy_command(entry: EntryPoint) -> type[TyperCommand]:
    """A command class that hands its arguments, ``--help`` included, to the function behind an entry point."""

    class LazyCommand(TyperCommand):
        def make_context(self, *arguments: Any, **settings: Any) -> Any:
            single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            single.command(entry.name)(guarded(f"command '{entry.name}'", entry.load))
            return get_command(single).make_context(*arguments, **settings)

    return LazyCommand
