"""Every cheat of `tps`: which column exposes it, and whether one tops an honest method unseen."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tests.audit.cheats import CHEATS
from tests.audit.contest import Cheat, Contest, Exposed, Shown
from tests.audit.frame import Cell, Part, Rows

FULL_WAY = 0.75  # an amplitude that is surely below has not gone all of the way
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
    "thumbnail of 8": NOTHING,
    "thumbnail of 8, still": BLEEDS,
    "thumbnail of 4": NOTHING,
}
CONTEST = Contest(
    settings=(
        "protocol=tps",
        "oracle=alignment",
        "dataset.world=orbits",
        "dataset.version=1",
        "protocol.resolution=32",
        "limit=24",
    ),
    shown=(
        Shown("skill", "skill %", 100, 1),
        Shown("near_skill", "near skill %", 100, 1),
        Shown("amplitude", "amplitude"),
        Shown("magnitude", "lengths %", 100, 0),
        Shown("bleed", "bleed", 1, 3),
        Shown("exact_gain", "exact gain dB"),
    ),
    honest=("warp", "xfactor", "rayzer", "rust"),
    cheats={name: Cheat(exposed) for name, exposed in CONTROLS.items()}
    | {name: Cheat(exposed, CHEATS[name]) for name, exposed in OTHERS.items()},
    keys=(
        "own_error_deg",
        "others_error_deg",
        "others_beaten",
        "auc_exact_signed@20",
        "auc_exact_signed@20|others",
        "oracle_failed",
        "identity",
        "exact_psnr",
        "exact_ssim",
    ),
)


def measure(cell: Cell) -> Rows:
    return CONTEST.measured(cell)


def broken(table: pd.DataFrame) -> Sequence[str]:
    """A cheat that its column does not flag, though it tops an honest method; an honest method that is flagged."""
    rows, lines = table.set_index("baseline"), CONTEST.ahead_unseen(table)
    lines += [
        f"{name}: flagged by bleed without holding pixels of A" for name in CONTEST.honest if rows.loc[name, "block"]
    ]
    ranked = rows[(rows["block"] == "") & (rows.index != "warp") & ~rows.index.isin(list(OTHERS))]
    if not rows.loc["warp", "skill"] > rows.loc["xfactor", "skill"]:
        lines.append("warp does not rank above xfactor")
    lines += [
        f"{name}: its interval is not clear of that of xfactor"
        for name, row in ranked.drop(index="xfactor").iterrows()
        if not row["skill high"] < rows.loc["xfactor", "skill low"]
    ]
    return lines


PART = Part(
    name="tps",
    title="tps@3: honest methods, cheats, and the column that exposes each (24 pairs of version-1 orbits, 32 pixels)",
    code=(
        "protocols/tps",
        "tests/audit/cheats.py",
        "tests/audit/contest.py",
        "protocols/shared",
        "baselines",
        "evalkit/stats",
        "evalkit/oracles",
        "evalkit/data",
    ),
    cells=CONTEST.cells,
    measure=measure,
    broken=broken,
    view=CONTEST.view,
)
