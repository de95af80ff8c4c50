"""Numbers of `tps` over all pairs: means, comparisons with other clips, parts, the oracle's ceiling, and chance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd

from evalkit.metrics.accuracies import THRESHOLDS, AucMethod, auc
from evalkit.metrics.pose import chance_floor
from evalkit.protocol import Arrays
from evalkit.stats.interval import Interval
from evalkit.stats.jackknife import OwnAndOthers
from protocols.shared.bleed import is_flagged
from protocols.shared.bleed_names import BLEED, note_on_bleed
from protocols.shared.skill import skill
from protocols.shared.skill_names import (
    ALIKE_DEG,
    NEAR_SKILL,
    OTHERS_ERROR,
    OWN_ERROR,
    SIGNED_AUC,
    SKILL,
    note_on_alike,
)
from protocols.shared.summaries import intervals, slices_of
from protocols.shared.transfer_columns import BLEEDING, EXACT, IDENTITY, IDENTITY_REAL
from protocols.tps.columns import (
    AMPLITUDE,
    BASELINE,
    CEILING,
    ORACLE_FAILED,
    ORACLE_ON_REAL,
    ORACLE_ON_RENDER,
    REAL_VS_TRUTH,
    RENDER,
    ROTATION_SPAN,
    accuracy_keys,
    failed_as_90,
)
from protocols.tps.skill import Kept, Motions, bleed_compared, in_part, numbers

ROTATION_SLICES = (10.0, 30.0)  # degrees, between the slices of little, middling and much rotation
BASELINE_SLICES = ("short baselines", "middling", "long")
LEAST_CEILING = 0.5  # AUC@20 signed of the ceiling; below it the oracle's numbers mean little
CEILING_LINE, OTHERS_LINE = "ceiling (real, blurred)", "real clips of other pairs"


class Findings(NamedTuple):
    """What stands beside the means over pairs: as in `evalkit.protocol.Summary`."""

    metrics: Mapping[str, Interval]
    slices: Mapping[str, Interval]
    references: Mapping[str, Mapping[str, float]]
    notes: tuple[str, ...]
    block: str


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


def unbounded_means(scored: pd.DataFrame, readable: pd.DataFrame) -> dict[str, Interval]:
    """Means of what is no share: errors and amplitudes of readable pairs, and exact transfer errors of all."""
    of_oracle = intervals(readable, _present(readable, (OWN_ERROR, AMPLITUDE)), bounded=False)
    return of_oracle | intervals(scored, _present(scored, EXACT), bounded=False)


def row_numbers(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """`oracle_values` of all rows: failures count, and pairs whose real clip the oracle could not read are NaN."""
    if ORACLE_ON_RENDER not in rows:
        return {}
    values = oracle_values(rows[(rows["status"] == "ok") & (rows[ORACLE_ON_REAL] == "ok")])
    return {key: series.reindex(rows.index) for key, series in values.items()}


def other_means(scored: pd.DataFrame) -> dict[str, Interval]:
    """Means over all pairs of what does not need the oracle to read a clip: scene identity.

    And how good the oracle is on real frames, where the true cameras are known.
    """
    keys = (*accuracy_keys(REAL_VS_TRUTH), IDENTITY, IDENTITY_REAL)
    return intervals(scored, _present(scored, keys))


def _present(rows: pd.DataFrame, keys: Iterable[str]) -> dict[str, pd.Series]:
    return {key: rows[key] for key in keys if key in rows}


def _part_names(readable: pd.DataFrame) -> list[pd.Series]:
    """In which part each pair is: by rotation span, and by thirds of the baselines of this run."""
    little, much = ROTATION_SLICES
    names = [f"rotation < {little:.0f}°", f"{little:.0f}–{much:.0f}°", f"> {much:.0f}°"]
    parts = [pd.cut(readable[ROTATION_SPAN], [0, little, much, 180.0], labels=names, include_lowest=True)]
    if readable[BASELINE].nunique() >= len(BASELINE_SLICES):
        thirds = pd.qcut(readable[BASELINE].rank(method="first"), len(BASELINE_SLICES), labels=BASELINE_SLICES)
        parts.append(thirds)
    return parts


def of_the_paper(readable: pd.DataFrame, first: pd.Series, metrics: Mapping[str, Interval]) -> Findings:
    """Beside the means of tps@xfactor: those of its ``first`` column by part, the ceiling, and the chance level."""
    slices: dict[str, Interval] = {}
    for names in _part_names(readable):
        slices |= slices_of(readable, first, names)
    return Findings({}, slices, {CEILING_LINE: ceiling(metrics), "chance (closed form)": chance()}, (), "")


def against_others(
    scored: pd.DataFrame, readable: pd.DataFrame, arrays: Arrays, min_baseline: float, metrics: Mapping[str, Interval]
) -> Findings:
    """The numbers of tps@3 that compare each render with the clips A of other pairs."""
    kept = Kept.read(scored, arrays)
    bleed = numbers({BLEED: bleed_compared(scored, kept).means()})
    found = _of_motions(readable, kept, min_baseline)
    is_bleeding = BLEED in bleed and is_flagged(bleed[BLEED])
    notes = [note_on_bleed(bleed[BLEED].mean, bleed[BLEED].low, bleed[BLEED].high)] if is_bleeding else []
    return Findings(
        {**found.metrics, **bleed},
        found.slices,
        {**found.references, CEILING_LINE: ceiling(metrics) | dict(found.references.get(CEILING_LINE, {}))},
        (*notes, *found.notes, *_notes_on_ceiling(metrics)),
        BLEEDING if is_bleeding else "",
    )


def _of_motions(readable: pd.DataFrame, kept: Kept, min_baseline: float) -> Findings:
    """Skill and what belongs to it, of the pairs whose real clip the oracle could read."""
    if readable.empty:
        return Findings({}, {}, {}, ("no skill: the oracle could not read any real clip",), "")
    motions = Motions.of(readable, kept, min_baseline)
    if motions.others.absent.all():
        return Findings({}, {}, {}, ("no skill: there are no other clips to compare with",), "")
    compared, others = motions.compared(), motions.mean_of_real()
    means = {key: values.means() for key, values in compared.items() if key != OTHERS_ERROR}
    found = numbers(means | {OTHERS_ERROR: means[SKILL]})
    if others[OWN_ERROR] < ALIKE_DEG:
        without = {key: number for key, number in found.items() if key not in (SKILL, NEAR_SKILL)}
        return Findings(
            without, {}, {OTHERS_LINE: others}, (note_on_alike(others[OWN_ERROR], "real clips of different pairs"),), ""
        )
    references = {CEILING_LINE: {SKILL: motions.ceiling()}, OTHERS_LINE: others}
    return Findings(found, _skill_by_part(readable, compared[SKILL]), references, (), "")


def _skill_by_part(readable: pd.DataFrame, compared: OwnAndOthers) -> dict[str, Interval]:
    means = {
        str(name): in_part(compared, (names == name).to_numpy())
        for names in _part_names(readable)
        for name in names.cat.categories
    }
    return {name: left_out.interval(skill) for name, left_out in means.items() if left_out.rows}


def _notes_on_ceiling(metrics: Mapping[str, Interval]) -> list[str]:
    best = metrics[CEILING + SIGNED_AUC.key].mean if CEILING + SIGNED_AUC.key in metrics else math.nan
    if not best < LEAST_CEILING:
        return []
    return [
        f"the oracle reads these clips too badly: it cannot repeat itself on blurred real clips (ceiling AUC@20 "
        f"{100 * best:.1f}, below {100 * LEAST_CEILING:.0f}); its numbers on renders say little"
    ]


def ceiling(metrics: Mapping[str, Interval]) -> dict[str, float]:
    """What A's real clip scores against a blurred copy of itself, and the scene identity of real frames of B."""
    values = {key: metrics[CEILING + key].mean for key in accuracy_keys(RENDER) if CEILING + key in metrics}
    return values | ({IDENTITY: metrics[IDENTITY_REAL].mean} if IDENTITY_REAL in metrics else {})


def chance() -> dict[str, float]:
    """What correct rotations with random translation directions score: the chance level."""
    signed = {auc(AucMethod.EXACT, t, signed=True).key: chance_floor(t, signed=True) for t in THRESHOLDS}
    return signed | {auc(AucMethod.XFACTOR, t, signed=False).key: chance_floor(t, signed=False) for t in THRESHOLDS}
