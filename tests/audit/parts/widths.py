"""The median width of an interval as pairs of a cycle are added."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalkit.stats import mean_interval
from tests.audit.frame import Cell, Part, Rows
from tests.audit.simulated import crossed, cycle, generator, names_of

DRAWS = 500
ROWS = (12, 24, 40, 41, 64, 128)


def cells() -> list[Cell]:
    return [{"model": model, "draws": DRAWS} for model in ("rows", "roles", "scenes")]


def measure(cell: Cell) -> Rows:
    pairs = cycle(64, max(ROWS))
    values = crossed(pairs, cell["model"], cell["draws"], generator("width", cell["model"]))
    widths = {}
    for rows in ROWS:
        found = mean_interval(values[:rows], names_of(pairs[:rows]))
        widths[f"{rows} of 64"] = round(float(np.median([one.high - one.low for one in found])), 4)
    return [{"effects of": cell["model"], **widths}]


def broken(table: pd.DataFrame) -> Sequence[str]:
    columns = [f"{rows} of 64" for rows in ROWS]
    return [
        f"{row['effects of']}: the width does not fall as rows are added"
        for _, row in table.iterrows()
        if list(row[columns]) != sorted(row[columns], reverse=True)
    ]


PART = Part(
    name="widths",
    title="Median width over 500 simulations, rows of unit variance, pairs along laps of a cycle of 64 scenes",
    code=("evalkit/stats", "tests/audit/simulated.py"),
    cells=cells,
    measure=measure,
    broken=broken,
)
