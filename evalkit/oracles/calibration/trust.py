"""How far a score by an oracle follows the truth: rank correlations over samples and methods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from evalkit.errors import UserError
from evalkit.oracles.calibration.hook import TrustColumns

MIN_POINTS = 3


@dataclass(frozen=True)
class Trust:
    """Spearman's rank correlations of the score by an oracle with the truth.

    ``of_samples`` over all samples of all methods; ``of_methods`` over the methods' means; ``within``: the mean over
    samples of the correlation across methods, that is, whether the oracle ranks methods as the truth does. NaN where
    there are too few to rank.
    """

    of_samples: float
    of_methods: float
    within: float
    samples: int
    methods: int


def points(rows: pd.DataFrame, columns: TrustColumns) -> pd.DataFrame:
    """Select what is compared from rows of runs, with a column ``baseline``.

    Returns a table with ``baseline``, ``sample``, ``accuracy`` (in [0, 1], 0 where the oracle failed on the render),
    ``truth``, and ``right_scene``: whether most renders show the right scene. A method that returns the frames
    which gave the motion moves exactly as they do: only for the others can the oracle be expected to follow the truth.

    Raises UserError where the rows lack a column: the truth is known on procedural worlds only.
    """
    needed = {columns.accuracy, columns.truth, columns.right_scene, columns.oracle_on_real, "baseline"}
    lacking = needed - set(rows.columns)
    if lacking:
        raise UserError(
            f"these runs have no {', '.join(sorted(lacking))}: expected runs on dataset=procedural, where "
            f"{columns.truth_name} is known"
        )
    readable = rows[(rows["status"] == "ok") & (rows[columns.oracle_on_real] == "ok")]
    return pd.DataFrame(
        {
            "baseline": readable["baseline"],
            "sample": readable["sample"],
            "accuracy": readable[columns.accuracy].mask(readable[columns.oracle_on_render] != "ok", 0.0),
            "truth": readable[columns.truth],
            "right_scene": readable[columns.right_scene] > 0.5,
        }
    ).dropna()


def trust(selected: pd.DataFrame) -> Trust:
    """Compute the rank correlations of `points`."""
    means = selected.groupby("baseline")[["accuracy", "truth"]].mean()
    within = [_rank_correlation(part) for _, part in selected.groupby("sample") if len(part) >= MIN_POINTS]
    finite = [value for value in within if np.isfinite(value)]
    return Trust(
        of_samples=_rank_correlation(selected),
        of_methods=_rank_correlation(means),
        within=float(np.mean(finite)) if finite else float("nan"),
        samples=selected["sample"].nunique(),
        methods=len(means),
    )


def _rank_correlation(part: pd.DataFrame) -> float:
    if len(part) < MIN_POINTS or part["accuracy"].nunique() < 2 or part["truth"].nunique() < 2:
        return float("nan")
    return float(spearmanr(part["accuracy"], part["truth"]).statistic)
