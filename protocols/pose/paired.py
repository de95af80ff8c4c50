"""Differences of two methods in numbers of pose@2 that compare with other clips, on the same clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.stats.paired import Comparison
from protocols.pose.columns import OURS
from protocols.pose.scores import compared
from protocols.shared.paired import Run, differences, of_both
from protocols.shared.skill import STATISTICS
from protocols.shared.summaries import scored_rows


def paired(a: Run, b: Run, settings: Mapping[str, Any]) -> dict[str, Comparison]:
    """Return a - b by key, with intervals and p-values by the jackknife; ``settings`` are the protocol's."""
    rows_a, rows_b = of_both(scored_rows(a[0]), scored_rows(b[0]))
    if settings["version"] != OURS or rows_a.empty:
        return {}
    min_baseline = float(settings["min_baseline"])
    return differences(
        compared(rows_a, a[1], min_baseline).estimated, compared(rows_b, b[1], min_baseline).estimated, STATISTICS
    )
