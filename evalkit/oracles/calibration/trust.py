"""How far TPS by an oracle follows the truth: ranks of pairs and methods by TPS and by the exact transfer error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from evalkit.errors import UserError

TPS, EXACT, IDENTITY = "auc_exact_signed@20", "exact_psnr", "identity"


@dataclass(frozen=True)
class Trust:
    """Rank correlations of TPS with the exact transfer error.

    ``of_pairs`` over all pairs of all methods; ``of_methods`` over the methods' means; ``within`` a pair of clips, the
    mean over pairs of the correlation across methods: whether TPS ranks methods as the truth does. NaN where there
    are too few to rank.
    """

    of_pairs: float
    of_methods: float
    within: float
    pairs: int
    methods: int


def points(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of tps runs (with a column ``baseline``) as points: tps in [0, 1], failures as 0, and exact PSNR in dB.

    ``shows_b``: whether most renders are nearer to scene B than to A. A method that returns A's frames moves exactly as
    A does; how far TPS follows the truth is a fair question only among the others.
    """
    lacking = {TPS, EXACT, IDENTITY, "oracle_on_real", "baseline"} - set(rows.columns)
    if lacking:
        raise UserError(
            f"these runs have no {', '.join(sorted(lacking))}: expected runs of tps on dataset=procedural, where the "
            "exact transfer error is known"
        )
    read = rows[(rows["status"] == "ok") & (rows["oracle_on_real"] == "ok")]
    tps = read[TPS].mask(read["oracle_on_render"] != "ok", 0.0)
    return pd.DataFrame(
        {
            "baseline": read["baseline"],
            "sample": read["sample"],
            "tps": tps,
            "exact_psnr": read[EXACT],
            "shows_b": read[IDENTITY] > 0.5,
        }
    ).dropna()


def trust(found: pd.DataFrame) -> Trust:
    """Rank correlations (Spearman) of `points`."""
    means = found.groupby("baseline")[["tps", "exact_psnr"]].mean()
    within = [_ranks(part) for _, part in found.groupby("sample") if len(part) > 2]
    finite = [value for value in within if np.isfinite(value)]
    return Trust(
        of_pairs=_ranks(found),
        of_methods=_ranks(means),
        within=float(np.mean(finite)) if finite else float("nan"),
        pairs=found["sample"].nunique(),
        methods=len(means),
    )


def _ranks(part: pd.DataFrame) -> float:
    if len(part) < 3 or part["tps"].nunique() < 2 or part["exact_psnr"].nunique() < 2:
        return float("nan")
    return float(spearmanr(part["tps"], part["exact_psnr"]).statistic)
