"""Honest methods and cheats in one protocol: what each scores first, and the column that exposes each cheat.

A cheat that is no shipped control is an object that stands in for a shipped method in a planned run: the card of that
method says what it is given. `make audit` fails where a cheat is ahead of an honest method and its column is silent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from evalkit.run.records import IntervalRecord, RunSummary
from evalkit.run.session import Session
from tests.audit.frame import Cell, Rows
from tests.jobs import executed, planned_job

UNKNOWN = IntervalRecord(mean=None, low=None, high=None, n=0, scenes=0)


@dataclass(frozen=True)
class Exposed:
    """The column that exposes a cheat, and what it says there.

    ``is_flagged`` takes the cheat's row: for each key its mean, and the bounds as "KEY low" and "KEY high".
    """

    key: str
    says: str
    is_flagged: Callable[[pd.Series], bool]


@dataclass(frozen=True)
class Cheat:
    """A cheat, and what exposes it.

    ``exposed`` None: it must not be ahead of any honest method in the first column. ``method``: an object that stands
    in for the baseline ``card``; None: the shipped control of the cheat's name.
    """

    exposed: Exposed | None = None
    method: Any = None
    card: str = "warp"


@dataclass(frozen=True)
class Shown:
    """A column of the printed table: a number of the summary, and how it is written."""

    key: str
    title: str
    scale: float = 1.0
    digits: int = 2


@dataclass(frozen=True)
class Contest:
    """One protocol with its settings, the methods that compete in it, and the numbers that are read.

    ``shown``: the columns of the printed table, the first column of the protocol first; ``keys``: more numbers that are
    kept. ``honest``: baselines, the best one first.
    """

    settings: tuple[str, ...]
    shown: tuple[Shown, ...]
    honest: tuple[str, ...]
    cheats: Mapping[str, Cheat]
    keys: tuple[str, ...] = ()
    lower_is_better: bool = False

    def cells(self) -> Sequence[Cell]:
        """One cell a method."""
        return [{"baseline": name} for name in (*self.honest, *self.cheats)]

    def measured(self, cell: Cell) -> Rows:
        """One row: a method's numbers, each with the bounds of its interval, and the block of the table it is in."""
        name = cell["baseline"]
        cheat = self.cheats.get(name, Cheat())
        with TemporaryDirectory() as out:
            baseline = name if cheat.method is None else cheat.card
            job = planned_job([*self.settings, f"baseline={baseline}", f"out={out}"], session := Session())
            if cheat.method is not None:
                shipped = job.method
                session.built = {key: cheat.method if part is shipped else part for key, part in session.built.items()}
            (summary,) = executed(job)
        return [{"baseline": name, "block": summary.block, **self._numbers(summary)}]

    def _numbers(self, summary: RunSummary) -> dict[str, float | None]:
        keys = dict.fromkeys([*(column.key for column in self.shown), *self.keys])
        found = {key: summary.metrics.get(key, UNKNOWN) for key in keys}
        return {
            f"{key}{suffix}": value
            for key, record in found.items()
            for suffix, value in (("", record.mean), (" low", record.low), (" high", record.high))
        }

    def ahead_unseen(self, table: pd.DataFrame) -> list[str]:
        """One line for each cheat that is ahead of an honest method without being flagged."""
        rows, first = table.set_index("baseline"), self.shown[0]
        sign = -1 if self.lower_is_better else 1
        honest = sign * rows.loc[list(self.honest), first.key].astype(float)
        lines = []
        for name, cheat in self.cheats.items():
            number = float(rows.loc[name, first.key])
            beaten = [] if math.isnan(number) else [*honest.index[honest <= sign * number]]
            flagged = cheat.exposed is not None and cheat.exposed.is_flagged(rows.loc[name])
            if beaten and not flagged:
                silent = f"{cheat.exposed.key} does not flag it" if cheat.exposed else "no column is named for it"
                lines.append(f"{name}: {first.title} {first.scale * number:.2f} tops {', '.join(beaten)}, and {silent}")
        return lines

    def not_clear_of_the_best(self, table: pd.DataFrame) -> list[str]:
        """One line for each cheat whose interval in the first column reaches that of the first honest method."""
        rows, key = table.set_index("baseline"), self.shown[0].key
        best, ends = self.honest[0], (f"{key} low", f"{key} high")
        own, other = ends[::-1] if self.lower_is_better else ends
        sign = -1 if self.lower_is_better else 1
        return [
            f"{name}: its interval of {self.shown[0].title} reaches that of {best}"
            for name in self.cheats
            if not sign * _number(rows.loc[name, other]) < sign * _number(rows.loc[best, own])
        ]

    def view(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table of the protocol's page."""
        rows = table.set_index("baseline")
        return pd.DataFrame(
            [
                {
                    "method": name,
                    **{column.title: written(rows.loc[name], column) for column in self.shown},
                    "exposed by": _exposed_by(self.cheats.get(name)),
                }
                for name in (*self.honest, *self.cheats)
            ]
        )


def written(row: pd.Series, column: Shown) -> str:
    """A number with its interval; "-" where there is none."""
    mean, low, high = (column.scale * _number(row[f"{column.key}{suffix}"]) for suffix in ("", " low", " high"))
    digits = column.digits
    return "-" if math.isnan(mean) else f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _exposed_by(cheat: Cheat | None) -> str:
    return f"{cheat.exposed.key}: {cheat.exposed.says}" if cheat and cheat.exposed else ""
