"""How often `paired_difference` says p < .05 where the methods are exchangeable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from evalkit.stats import paired_difference
from tests.audit.frame import Cell, Part, Rows
from tests.audit.simulated import CROSSED, cluster_sizes, clustered, crossed, cycle, generator, names_of, single

DRAWS = 1000
MOST = 6.0  # percent; "skewed" is measured, not bounded
SHAPES = ("normal", "t3", "mostly equal", "skewed")
LOGNORMAL_MEAN = float(np.exp(0.5))


def cells() -> list[Cell]:
    single_scene = [
        {"design": design, "scenes": scenes, "rows": 0, "draws": DRAWS}
        for design in ("independent", "equal", "geometric")
        for scenes in (2, 3, 4, 5, 6, 8, 12, 24, 48)
    ]
    pairs = [
        {"design": f"crossed {model}", "scenes": scenes, "rows": rows, "draws": DRAWS}
        for scenes, rows in ((2, 2), (4, 4), (5, 5), (6, 6), (6, 12), *CROSSED)
        for model in ("rows", "scenes")
    ]
    return [*single_scene, *pairs]


def shaped(latent: np.ndarray, shape: str) -> np.ndarray:
    """Differences of two methods from standard normal rows: symmetric about 0, but for "skewed", of mean 0."""
    if shape == "t3":
        return stats.t.ppf(stats.norm.cdf(latent), 3)
    if shape == "mostly equal":  # both methods score the same in about 60 % of rows, else +-1
        return np.sign(latent) * (np.abs(latent) > 0.84)
    return np.exp(latent) - LOGNORMAL_MEAN if shape == "skewed" else latent


def measure(cell: Cell) -> Rows:
    rng = generator(*cell.values())
    if cell["design"].startswith("crossed"):
        pairs = cycle(cell["scenes"], cell["rows"])
        latent, scenes = crossed(pairs, cell["design"].split()[1], cell["draws"], rng), names_of(pairs)
    else:
        sizes = cluster_sizes(cell["design"], cell["scenes"], rng)
        shared = 0.0 if cell["design"] == "independent" else 0.5
        latent, scenes = clustered(sizes, cell["draws"], rng, shared), single(sizes)
    rows = []
    for shape in SHAPES:
        differences = shaped(latent, shape)
        zero = np.zeros(len(scenes))
        p_values = np.array([paired_difference(column, zero, scenes).p_value for column in differences.T])
        rows.append({
            "design": cell["design"], "scenes": cell["scenes"], "rows": len(scenes), "shape": shape,
            "false_positives": round(100 * float((p_values < 0.05).mean()), 1),
            "without_p": round(100 * float(np.isnan(p_values).mean()), 1), "draws": cell["draws"],
        })  # fmt: skip
    return rows


def broken(table: pd.DataFrame) -> Sequence[str]:
    """At most 6 %, with two standard errors of the simulation; and no p where none below .05 is possible."""
    margin = 200 * np.sqrt(0.05 * 0.95 / DRAWS)
    wrong = table[(table["shape"] != "skewed") & (table["false_positives"] > MOST + margin)]
    lines = [f"{row.design} {row.scenes}/{row.rows} {row.shape}: {row.false_positives}" for row in wrong.itertuples()]
    few = table[(table["scenes"] <= 5) & (table["without_p"] < 100)]
    return lines + [f"{row.design} {row.scenes}/{row.rows}: p with few scenes" for row in few.itertuples()]


def view(table: pd.DataFrame) -> pd.DataFrame:
    wide = table.pivot_table(index=["design", "scenes", "rows"], columns="shape", values="false_positives", sort=False)
    return wide[list(SHAPES)].reset_index()


PART = Part(
    name="false_positives",
    title="Percent of p < .05 where both methods are equally good (skewed: on average only)",
    code=("evalkit/stats", "tests/audit/simulated.py"),
    cells=cells,
    measure=measure,
    broken=broken,
    view=view,
)
