"""The ways in which things go wrong on purpose.

Everything else is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """The request cannot be served: one line saying what, what was expected, what to type. Exit code 2."""


class Unsupported(UserError):
    """A baseline and a dataset do not go together; in a list of controls, that one is left out and named."""


class SampleError(Exception):
    """One sample cannot be scored (a truncated image, a clip that is too short).

    The engine turns it into a failed row whose reason is this message; the run goes on.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest known word, else the list of all.

    >>> did_you_mean("tsp", ["nvs", "tps"])
    " (did you mean 'tps'?)"
    >>> did_you_mean("zzz", ["nvs", "tps"])
    ' (known: nvs, tps)'
    """
    words = sorted(known)
    close = get_close_matches(word, words, n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else f" (known: {', '.join(words)})"
