"""Progress of long work on standard error: bars on a terminal, plain lines where the output is a file."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

SECONDS_BETWEEN_LINES = 10.0
SHARE_BETWEEN_LINES = 0.05  # of the whole work; but a line comes after LONGEST_SILENCE at the latest
LONGEST_SILENCE = 60.0
RECENT_LINES = 6  # over which the rate is measured


class Progress:
    """Shows one or several tasks.

    >>> with Progress(disabled=True) as progress:
    ...     task = progress.task("rendering frames", 1600, "sequences")
    ...     task.advance(120)

    Args:
        disabled: show nothing, as in all processes of a training but one.
        console: where to print; standard error if None.
        clock: the time in seconds.
    """

    def __init__(
        self, disabled: bool = False, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.console, self.clock = console or Console(stderr=True), clock
        self.disabled = disabled
        self.bars = None if disabled or not self.console.is_terminal else _bars(self.console)

    def __enter__(self) -> Self:
        if self.bars is not None:
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bars is not None:
            self.bars.stop()

    def task(
        self, description: str, total: int, unit: str = "", done: int = 0, rate_of: tuple[str, int] = ("", 1)
    ) -> Task:
        """Start a task.

        Args:
            description: what is done, such as "rendering frames".
            total: units of work.
            unit: what is counted, in the plural, such as "sequences".
            done: units that were done before, by an earlier process.
            rate_of: in what the rate is shown, and how many of these are a unit: ("clips", 64) shows "210 clips/s".
        """
        return Task(self, description, total, unit, done, rate_of)

    def line(self, text: str) -> None:
        """Print one plain line."""
        self.console.print(text, soft_wrap=True, markup=False, highlight=False)


class Task:
    """One piece of work, made by `Progress.task`."""

    def __init__(
        self, progress: Progress, description: str, total: int, unit: str, done: int, rate_of: tuple[str, int]
    ) -> None:
        self.progress, self.description, self.total, self.unit = progress, description, total, unit
        self.done, self.rate_of, self.text = done, rate_of, ""
        self.marks = deque([(progress.clock(), done)], maxlen=RECENT_LINES)
        self.bar = None
        if progress.bars is not None:
            self.bar = progress.bars.add_task(description, total=total, completed=done, text="", left="")
        elif not progress.disabled:
            progress.line(self.summary())

    def advance(self, count: int = 1, text: str | None = None) -> None:
        """Count ``count`` units more as done; ``text`` is shown beside them, such as "loss 0.0312"."""
        self.advance_to(self.done + count, text)

    def advance_to(self, done: int, text: str | None = None) -> None:
        """Count ``done`` units as done; see `advance`."""
        moved = done != self.done
        self.done, self.text = done, self.text if text is None else text
        if self.bar is not None and self.progress.bars is not None:
            self._mark_every(1.0)
            shown = ", ".join(part for part in (self.text, self.rate()) if part)
            self.progress.bars.update(self.bar, completed=done, text=shown, left=self.time_left())
        elif moved and not self.progress.disabled and self._line_is_due():
            self.progress.line(self.summary())
            self.marks.append((self.progress.clock(), done))

    def summary(self) -> str:
        """The task in one line: "rendering frames: 120 of 1600 sequences, 2.1/s, 11 min left"."""
        count = f"{self.done} of {self.total}{f' {self.unit}' if self.unit else ''}"
        return ", ".join(
            part for part in (f"{self.description}: {count}", self.text, self.rate(), self.time_left()) if part
        )

    def rate(self) -> str:
        """How fast it goes: "2.1/s", "210 clips/s", "12 s each"; empty while unknown."""
        unit, per_unit = self.rate_of
        speed = self._speed() * per_unit
        if speed == 0:
            return ""
        shown = f"{speed:.0f}" if speed >= 100 else f"{speed:.1f}"
        if speed < 0.95 and not unit:
            return f"{1 / speed:.1f} s each"
        return f"{shown} {unit}/s" if unit else f"{shown}/s"

    def time_left(self) -> str:
        """The time that the rest takes: "11 min left"; empty while unknown or where nothing is left."""
        speed = self._speed()
        return f"{duration((self.total - self.done) / speed)} left" if speed and self.done < self.total else ""

    def _speed(self) -> float:
        """Units a second, over the last lines."""
        since, before = self.marks[0]
        seconds = self.progress.clock() - since
        return (self.done - before) / seconds if seconds > 0 else 0.0

    def _line_is_due(self) -> bool:
        if self.done >= self.total:
            return True
        since, before = self.marks[-1]
        silence = self.progress.clock() - since
        more = (self.done - before) >= SHARE_BETWEEN_LINES * self.total
        return silence >= SECONDS_BETWEEN_LINES and (more or silence >= LONGEST_SILENCE)

    def _mark_every(self, seconds: float) -> None:
        if self.progress.clock() - self.marks[-1][0] >= seconds:
            self.marks.append((self.progress.clock(), self.done))


def duration(seconds: float) -> str:
    """A time in words.

    >>> [duration(seconds) for seconds in (4, 89, 600, 7500)]
    ['4 s', '89 s', '10 min', '2 h 05 min']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _bars(console: Console) -> Bars:
    return Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}"),
        TextColumn("{task.fields[left]}"),
        console=console,
    )
