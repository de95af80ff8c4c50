"""The one place that decides how wide we print."""

from __future__ import annotations

from functools import cache

from rich.console import Console

WIDTH_OF_FILES = 132


@cache
def console() -> Console:
    """Standard output; as wide as the terminal, or as a table needs where there is none."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=WIDTH_OF_FILES)
