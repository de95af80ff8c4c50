"""Whether the lists that are here are the ones that papers used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from evalkit.errors import UserError, did_you_mean
from evalkit.index.catalogue import CATALOGUE, Listed
from evalkit.index.entries import Index
from evalkit.index.find import load_listed, locate


class Status(StrEnum):
    """Digest and counts as in the catalogue, not found, or something else under its name."""

    OK = "ok"
    ABSENT = "absent"
    WRONG = "wrong"


@dataclass(frozen=True)
class Check:
    """The outcome for one list, and what is wrong with it in one line."""

    listed: Listed
    path: Path | None
    status: Status
    problem: str = ""


def verify(names: Sequence[str] = ()) -> list[Check]:
    """Check lists by name, or all. Raises UserError for a name that is not in the catalogue."""
    for name in names:
        if name not in CATALOGUE:
            raise UserError(f"no index '{name}'{did_you_mean(name, CATALOGUE)}")
    return [_check(CATALOGUE[name]) for name in names or CATALOGUE]


def _check(listed: Listed) -> Check:
    path: Path | None = None
    try:
        path = locate(listed)
        if path is None:
            return Check(listed, None, Status.ABSENT)
        problem = miscount(listed, load_listed(listed).index)
    except UserError as error:
        problem = str(error)
    return Check(listed, path, Status.WRONG if problem else Status.OK, problem)


def miscount(listed: Listed, index: Index) -> str:
    """Say how an index differs from the catalogue's counts; empty where it does not."""
    keys, usable = len(index.entries) + len(index.skipped), len(index.entries)
    if (keys, usable) != (listed.keys, listed.usable):
        return f"{keys} keys, {usable} usable; expected {listed.keys} and {listed.usable}"
    for entry in index.entries:
        views = (len(entry.context), len(entry.target))
        if views[0] != listed.context or listed.target not in (None, views[1]):
            return f"{entry.id} has {views[0]}/{views[1]} views; expected {listed.views}"
    return ""
