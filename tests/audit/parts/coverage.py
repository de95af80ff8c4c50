"""Coverage and width of `mean_interval`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from evalkit.stats import mean_interval
from tests.audit.frame import Cell, Part, Rows
from tests.audit.simulated import (
    CROSSED,
    DISTRIBUTIONS,
    cluster_sizes,
    clustered,
    crossed,
    cycle,
    generator,
    informative,
    informative_mean,
    names_of,
    single,
)

DRAWS, REDRAWN = 4000, 2000
LEAST = {"normal": 93.0, "symmetric": 93.0, "bounded": 93.0}  # percent, from 8 scenes on; bounded: at every number
MOST = {"normal": 97.0}


def cells() -> list[Cell]:
    single_scene = [
        {"design": design, "scenes": scenes, "rows": 0, "draws": DRAWS}
        for design in ("independent", "equal", "unequal", "geometric")
        for scenes in (5, 8, 12, 24, 48)
    ]
    growing = [
        {"design": f"{kind}, effect grows", "scenes": scenes, "rows": 0, "draws": REDRAWN}
        for kind in ("unequal", "geometric")
        for scenes in (5, 8, 12, 24, 48)
    ]
    pairs = [
        {"design": f"crossed {model}", "scenes": scenes, "rows": rows, "draws": DRAWS}
        for scenes, rows in CROSSED
        for model in ("rows", "roles", "scenes")
    ]
    return [*single_scene, *growing, *pairs]


def measure(cell: Cell) -> Rows:
    rng = generator(*cell.values())
    if "grows" in cell["design"]:
        return [_growing(cell, rng)]
    if cell["design"].startswith("crossed"):
        pairs = cycle(cell["scenes"], cell["rows"])
        latent, scenes = crossed(pairs, cell["design"].split()[1], cell["draws"], rng), names_of(pairs)
    else:
        sizes = cluster_sizes(cell["design"], cell["scenes"], rng)
        latent, scenes = (
            clustered(sizes, cell["draws"], rng, 0.0 if cell["design"] == "independent" else 0.5),
            single(sizes),
        )
    uniform = stats.norm.cdf(latent)
    rows = []
    for name, distribution in DISTRIBUTIONS.items():
        found = mean_interval(latent if name == "normal" else distribution.quantiles(uniform), scenes)
        low, high = np.array([(one.low, one.high) for one in found]).T
        rows.append(_row(cell, name, distribution.kind, len(scenes), low, high, distribution.mean))
    return rows


def _growing(cell: Cell, rng: np.random.Generator) -> dict[str, Any]:
    kind, ends, counts = cell["design"].split(",")[0], [], []
    for _ in range(cell["draws"]):
        values, sizes = informative(kind, cell["scenes"], rng)
        (found,) = mean_interval(values[:, None], single(sizes))
        ends.append((found.low, found.high))
        counts.append(len(values))
    low, high = np.array(ends).T
    return _row(cell, "normal", "normal", int(np.mean(counts)), low, high, informative_mean(kind))


def _row(cell: Cell, name: str, kind: str, rows: int, low: np.ndarray, high: np.ndarray, mean: float) -> dict[str, Any]:
    """Coverage in percent, and the median width, which is NaN where no interval is given."""
    return {
        "design": cell["design"], "scenes": cell["scenes"], "rows": rows, "distribution": name, "kind": kind,
        "coverage": round(100 * float(((low <= mean) & (mean <= high)).mean()), 1),
        "width": round(float(np.nanmedian(high - low)), 4), "draws": cell["draws"],
    }  # fmt: skip


def broken(table: pd.DataFrame) -> Sequence[str]:
    """Bounds of the issue, with two standard errors of the simulation."""
    lines = []
    for row in table.itertuples():
        least, most = LEAST.get(row.kind, 0.0), MOST.get(row.kind, 100.0)
        if row.kind == "skewed":
            least = 92.0 if row.scenes >= 48 else 88.0
        if row.scenes < 8 and row.kind != "bounded":
            continue
        margin = 200 * np.sqrt(0.95 * 0.05 / row.draws)
        if not least - margin <= row.coverage <= most + margin:
            lines.append(f"{row.design} {row.scenes}/{row.rows} {row.distribution}: {row.coverage}")
    return lines


def view(table: pd.DataFrame) -> pd.DataFrame:
    """One line a design, one column a distribution: coverage, and the median width of the normal one."""
    keys = ["design", "scenes", "rows"]
    wide = table.pivot_table(index=keys, columns="distribution", values="coverage", sort=False)
    width = table[table["distribution"] == "normal"].set_index(keys)["width"]
    return wide[[name for name in DISTRIBUTIONS if name in wide]].assign(**{"width (normal)": width}).reset_index()


PART = Part(
    name="coverage",
    title="Coverage of the 95 % interval in percent, and its median width",
    code=("evalkit/stats", "tests/audit/simulated.py"),
    cells=cells,
    measure=measure,
    broken=broken,
    view=view,
)
