"""Every cheat of `tps`: which column exposes it, and whether one tops an honest method unseen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import pandas as pd

from evalkit.run.records import IntervalRecord, RunSummary
from evalkit.run.session import Session
from tests.audit.cheats import CHEATS as cheats
from tests.audit.frame import Cell, Part, Rows
from tests.jobs import executed, planned_job

SETTINGS = (
    "protocol=tps", "oracle=alignment", "dataset.world=orbits", "dataset.version=1", "protocol.resolution=32",
    "limit=24",
)  # fmt: skip
HONEST = ("warp", "xfactor", "rayzer", "rust")
KEYS = (
    "skill", "near_skill", "own_error_deg", "others_error_deg", "others_beaten", "amplitude", "magnitude",
    "auc_exact_signed@20", "auc_exact_signed@20|others", "oracle_failed", "identity", "bleed", "exact_psnr",
    "exact_gain", "exact_ssim",
)  # fmt: skip
FULL_WAY = 0.75  # an amplitude that is surely below has not gone all of the way


@dataclass(frozen=True)
class Exposed:
    """The column that exposes a cheat, and what it says there."""

    key: str
    says: str
    is_flagged: Callable[[pd.Series], bool]


NO_SKILL = Exposed("skill", "interval holds 0, or lies below", lambda row: row["skill low"] <= 0)
NO_NEAR_SKILL = Exposed("near_skill", "interval holds 0, or lies below", lambda row: row["near_skill low"] <= 0)
STILL = Exposed("amplitude", "0: nothing moves", lambda row: abs(row["amplitude"]) < 0.05)
SHORT = Exposed("amplitude", "surely below .75", lambda row: row["amplitude high"] < FULL_WAY)
LENGTHS = Exposed("magnitude", "lengths agree surely below 75 %", lambda row: row["magnitude high"] < FULL_WAY)
BLEEDS = Exposed("bleed", "surely above .02", lambda row: row["bleed low"] > 0.02)
NEGATIVE = Exposed("bleed", "surely below -.02", lambda row: row["bleed high"] < -0.02)
NOTHING = Exposed("nothing", "too little of A", lambda row: True)  # a limit, which docs/protocols/tps.md states
CONTROLS = {
    "copy_context": NO_SKILL,
    "shuffled_poses": NO_SKILL,
    "static": STILL,
    "static_blurred": STILL,
    "mean_context": STILL,
    "copy_target": BLEEDS,
    "blend_target": BLEEDS,
    "half_motion": SHORT,
    "fixed_motion": NO_NEAR_SKILL,
}
OTHERS = {
    "clock": NO_SKILL,
    "only turning": NO_SKILL,
    "backwards": NO_SKILL,
    "inverse": NO_SKILL,
    "shuffled reading": NO_SKILL,
    "one bit": NO_NEAR_SKILL,
    "cubed distances": LENGTHS,
    "one length": LENGTHS,
    "5 % of A": BLEEDS,
    "5 % of A, still": BLEEDS,
    "20 % negative of A": NEGATIVE,
    "thumbnail of 8": BLEEDS,
    "thumbnail of 8, still": BLEEDS,
    "thumbnail of 4": NOTHING,
}
CHEATS = CONTROLS | OTHERS


def cells() -> Sequence[Cell]:
    return [{"baseline": name} for name in (*HONEST, *CHEATS)]


def measure(cell: Cell) -> Rows:
    """One row: a method's numbers, each with the bounds of its interval. Cheats of `tests.audit.cheats` are `warp`."""
    name = cell["baseline"]
    with TemporaryDirectory() as out:
        baseline = "warp" if name in OTHERS else name
        job = planned_job([*SETTINGS, f"baseline={baseline}", f"out={out}"], session := Session())
        if name in OTHERS:
            warp = job.method
            session.built = {key: cheats[name] if part is warp else part for key, part in session.built.items()}
        (summary,) = executed(job)
    return [{"baseline": name, "block": summary.block, **_numbers(summary)}]


def _numbers(summary: RunSummary) -> dict[str, float | None]:
    unknown = IntervalRecord(mean=None, low=None, high=None, n=0, scenes=0)
    found = {key: summary.metrics.get(key, unknown) for key in KEYS}
    return {
        f"{key}{suffix}": value
        for key, record in found.items()
        for suffix, value in (("", record.mean), (" low", record.low), (" high", record.high))
    }


def broken(table: pd.DataFrame) -> Sequence[str]:
    """A cheat that its column does not flag, though it tops an honest method; an honest method that is flagged."""
    rows = table.set_index("baseline")
    honest = rows.loc[list(HONEST)]
    lines = [
        f"{name}: skill {100 * rows.loc[name, 'skill']:.1f} tops {beaten}, and {exposed.key} does not flag it"
        for name, exposed in CHEATS.items()
        if not exposed.is_flagged(rows.loc[name])
        if (beaten := ", ".join(honest.index[honest["skill"] <= rows.loc[name, "skill"]]))
    ]
    lines += [f"{name}: flagged by bleed without holding pixels of A" for name in HONEST if rows.loc[name, "block"]]
    ranked = rows[(rows["block"] == "") & (rows.index != "warp") & ~rows.index.isin(list(OTHERS))]
    others = ranked.drop(index="xfactor")
    if not rows.loc["warp", "skill"] > rows.loc["xfactor", "skill"]:
        lines.append("warp does not rank above xfactor")
    lines += [
        f"{name}: its interval is not clear of that of xfactor"
        for name, row in others.iterrows()
        if not row["skill high"] < rows.loc["xfactor", "skill low"]
    ]
    return lines


def view(table: pd.DataFrame) -> pd.DataFrame:
    """The table of docs/protocols/tps.md."""
    rows = table.set_index("baseline")
    return pd.DataFrame(
        [
            {
                "method": name,
                "skill %": _cell(rows.loc[name], "skill", 100, 1),
                "near skill %": _cell(rows.loc[name], "near_skill", 100, 1),
                "amplitude": _cell(rows.loc[name], "amplitude", 1, 2),
                "lengths %": _cell(rows.loc[name], "magnitude", 100, 0),
                "bleed": _cell(rows.loc[name], "bleed", 1, 3),
                "exact gain dB": _cell(rows.loc[name], "exact_gain", 1, 2),
                "exposed by": f"{CHEATS[name].key}: {CHEATS[name].says}" if name in CHEATS else "",
            }
            for name in (*HONEST, *CHEATS)
        ]
    )


def _cell(row: pd.Series, key: str, scale: float, digits: int) -> str:
    mean, low, high = (scale * row[f"{key}{suffix}"] for suffix in ("", " low", " high"))
    return f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})" if mean == mean else "-"


PART = Part(
    name="tps",
    title="tps@3: honest methods, cheats, and the column that exposes each (24 pairs of version-1 orbits, 32 pixels)",
    code=(
        "protocols/tps",
        "tests/audit/cheats.py",
        "protocols/shared",
        "baselines",
        "evalkit/stats",
        "evalkit/oracles",
        "evalkit/data",
    ),
    cells=cells,
    measure=measure,
    broken=broken,
    view=view,
)
