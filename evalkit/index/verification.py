"""Check that the lists on this machine are the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from evalkit.errors import UserError, did_you_mean
from evalkit.index.catalogue import CATALOGUE, PublishedList
from evalkit.index.entries import Index
from evalkit.index.find import load_published, locate


class Status(StrEnum):
    """Digest and counts are those of the catalogue; the file is not found; or it is another file."""

    OK = "ok"
    ABSENT = "absent"
    WRONG = "wrong"


@dataclass(frozen=True)
class Check:
    """The result for one list; ``problem`` says what is wrong, on one line."""

    published: PublishedList
    path: Path | None
    status: Status
    problem: str = ""


def verify(names: Sequence[str] = ()) -> list[Check]:
    """Check lists by name, or all. Raises UserError for a name that is not in the catalogue."""
    for name in names:
        if name not in CATALOGUE:
            raise UserError(f"no index '{name}'{did_you_mean(name, CATALOGUE)}")
    return [_check(CATALOGUE[name]) for name in names or CATALOGUE]


def _check(published: PublishedList) -> Check:
    path: Path | None = None
    try:
        path = locate(published)
        if path is None:
            return Check(published, None, Status.ABSENT)
        problem = count_problem(published, load_published(published).index)
    except UserError as error:
        problem = str(error)
    return Check(published, path, Status.WRONG if problem else Status.OK, problem)


def count_problem(published: PublishedList, index: Index) -> str:
    """Say how the counts of an index differ from the catalogue's; empty where they do not."""
    keys, usable = len(index.entries) + len(index.skipped), len(index.entries)
    if (keys, usable) != (published.keys, published.usable):
        return f"{keys} keys, {usable} usable; expected {published.keys} and {published.usable}"
    for entry in index.entries:
        views = (len(entry.context), len(entry.target))
        if views[0] != published.context or published.target not in (None, views[1]):
            return f"{entry.id} has {views[0]}/{views[1]} views; expected {published.views}"
    return ""
