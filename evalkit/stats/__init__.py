"""Confidence intervals and paired comparisons that take scenes, not rows, as independent.

`mean_interval`, `paired_difference` and `pooled_intervals` are loaded when they are first used: they need scipy, which
`Interval` does not. Formulas, sources and measured coverage: docs/statistics.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from evalkit.stats.interval import Interval

if TYPE_CHECKING:
    from evalkit.stats.mean import mean_interval
    from evalkit.stats.paired import Comparison, paired_difference
    from evalkit.stats.pooled import pooled_intervals

__all__ = ["Comparison", "Interval", "mean_interval", "paired_difference", "pooled_intervals"]
_HOMES = {"mean_interval": "mean", "paired_difference": "paired", "Comparison": "paired", "pooled_intervals": "pooled"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
