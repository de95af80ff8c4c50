"""The one place that decides how wide we print."""

from __future__ import annotations

from functools import cache

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

WIDTH_OF_FILES = 132


@cache
def console() -> Console:
    """Standard output; as wide as the terminal, or as a table needs where there is none."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=WIDTH_OF_FILES)


def progress_bar(*rates: ProgressColumn, disabled: bool = False) -> Progress:
    """How far long work is, in time too; ``rates`` are columns of one's own, after the count."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        *rates,
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console(),
        disable=disabled,
    )
