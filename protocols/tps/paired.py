"""Differences of two methods in numbers of `tps` that compare with other clips, on the same pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from evalkit.protocol import Arrays
from evalkit.stats.jackknife import OwnAndOthers
from evalkit.stats.paired import Comparison
from protocols.shared.bleed_names import BLEED
from protocols.shared.paired import Run, differences, of_both
from protocols.shared.summaries import scored_rows
from protocols.tps.columns import ORACLE_ON_REAL
from protocols.tps.skill import STATISTICS, Kept, Motions, bleed_compared


def paired(a: Run, b: Run, settings: Mapping[str, Any]) -> dict[str, Comparison]:
    """Return a - b by key, with intervals and p-values by the jackknife over scenes; ``settings`` are the protocol's.

    Both methods are compared on the pairs that both could be scored on, with the clips A of these pairs as others.
    """
    scored_a, scored_b = of_both(scored_rows(a[0]), scored_rows(b[0]))
    readable_a, readable_b = of_both(*(rows[rows[ORACLE_ON_REAL] == "ok"] for rows in (scored_a, scored_b)))
    min_baseline = float(settings["min_baseline"])
    compared_a = _compared(scored_a, readable_a, a[1], min_baseline)
    compared_b = _compared(scored_b, readable_b, b[1], min_baseline)
    return differences(compared_a, compared_b, STATISTICS)


def _compared(
    scored: pd.DataFrame, readable: pd.DataFrame, arrays: Arrays, min_baseline: float
) -> dict[str, OwnAndOthers]:
    kept = Kept.read(scored, arrays)
    compared = {} if scored.empty else {BLEED: bleed_compared(scored, kept)}
    return compared | ({} if readable.empty else Motions.of(readable, kept, min_baseline).compared())
