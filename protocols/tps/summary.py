"""Numbers of `tps` over all pairs: means, parts by how much A moves, the oracle's ceiling, and chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from evalkit.metrics.accuracies import THRESHOLDS, AucMethod, auc
from evalkit.metrics.pose import chance_floor
from evalkit.stats.interval import Interval
from protocols.shared.summaries import intervals, slices_of
from protocols.tps.columns import (
    BASELINE,
    CEILING,
    EXACT,
    IDENTITY,
    IDENTITY_REAL,
    ORACLE_FAILED,
    ORACLE_ON_REAL,
    ORACLE_ON_RENDER,
    REAL_VS_TRUTH,
    RENDER,
    ROTATION_SPAN,
    accuracy_keys,
    failed_as_90,
)

ROTATION_SLICES = (10.0, 30.0)  # degrees, between the slices of little, middling and much rotation
BASELINE_SLICES = ("short baselines", "middling", "long")


def oracle_values(readable: pd.DataFrame) -> dict[str, pd.Series]:
    """The numbers of the pairs whose real clip the oracle could read, by key: one value per row.

    Each accuracy is there twice: over the renders that the oracle could read and, as ``|failed=90``, with the others
    counted as 90 degrees off, which is zero at every threshold.
    """
    failed = readable[ORACLE_ON_RENDER] != "ok"
    values = {key: readable[key] for key in accuracy_keys(RENDER)}
    values |= {failed_as_90(key): readable[key].mask(failed, 0.0) for key in accuracy_keys(RENDER)}
    values[ORACLE_FAILED] = failed.astype(float)
    return values | _present(readable, accuracy_keys(CEILING))


def row_numbers(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """`oracle_values` of all rows: failures count, and pairs whose real clip the oracle could not read are NaN."""
    if ORACLE_ON_RENDER not in rows:
        return {}
    values = oracle_values(rows[(rows["status"] == "ok") & (rows[ORACLE_ON_REAL] == "ok")])
    return {key: series.reindex(rows.index) for key, series in values.items()}


def other_means(scored: pd.DataFrame) -> dict[str, Interval]:
    """Means over all pairs of what does not need the oracle to read a clip: scene identity and the exact error.

    And how good the oracle is on real frames, where the true cameras are known.
    """
    keys = (*accuracy_keys(REAL_VS_TRUTH), IDENTITY, IDENTITY_REAL, *EXACT)
    return intervals(scored, _present(scored, keys))


def _present(rows: pd.DataFrame, keys: Iterable[str]) -> dict[str, pd.Series]:
    return {key: rows[key] for key in keys if key in rows}


def parts(readable: pd.DataFrame, values: pd.Series) -> dict[str, Interval]:
    """Means of ``values`` by rotation span, and by thirds of the baselines of this run."""
    little, much = ROTATION_SLICES
    names = [f"rotation < {little:.0f}°", f"{little:.0f}–{much:.0f}°", f"> {much:.0f}°"]
    rotation = pd.cut(readable[ROTATION_SPAN], [0, little, much, 180.0], labels=names, include_lowest=True)
    means = slices_of(readable, values, rotation)
    if readable[BASELINE].nunique() >= len(BASELINE_SLICES):
        thirds = pd.qcut(readable[BASELINE].rank(method="first"), len(BASELINE_SLICES), labels=BASELINE_SLICES)
        means |= slices_of(readable, values, thirds)
    return means


def ceiling(metrics: Mapping[str, Interval]) -> dict[str, float]:
    """What A's real clip scores against a blurred copy of itself, and the scene identity of real frames of B."""
    values = {key: metrics[CEILING + key].mean for key in accuracy_keys(RENDER) if CEILING + key in metrics}
    return values | ({IDENTITY: metrics[IDENTITY_REAL].mean} if IDENTITY_REAL in metrics else {})


def chance() -> dict[str, float]:
    """What correct rotations with random translation directions score: the chance level."""
    signed = {auc(AucMethod.EXACT, t, signed=True).key: chance_floor(t, signed=True) for t in THRESHOLDS}
    return signed | {auc(AucMethod.XFACTOR, t, signed=False).key: chance_floor(t, signed=False) for t in THRESHOLDS}
