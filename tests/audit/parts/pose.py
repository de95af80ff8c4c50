"""Every cheat of `pose`: which column exposes it, and whether one tops an honest method unseen."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tests.audit.cheats_pose import CHEATS
from tests.audit.contest import Cheat, Contest, Exposed, Shown
from tests.audit.frame import Cell, Part, Rows

WHOLE = 0.75  # lengths and rotations that are surely below are not the true ones
NO_SKILL = Exposed("skill", "interval holds 0, or lies below", lambda row: row["skill low"] <= 0)
NO_NEAR_SKILL = Exposed("near_skill", "interval holds 0, or lies below", lambda row: row["near_skill low"] <= 0)
TURNS_LESS = Exposed("rotation_amplitude", "surely below .75", lambda row: row["rotation_amplitude high"] < WHOLE)
LENGTHS = Exposed("magnitude", "lengths agree surely below 75 %", lambda row: row["magnitude high"] < WHOLE)
OTHERS = {
    "fixed arc": NO_SKILL,
    "arc, one bit": NO_NEAR_SKILL,
    "arc, two bits": LENGTHS,
    "arc, true heading": LENGTHS,
    "half motion": TURNS_LESS,
    "cubed distances": LENGTHS,
    "one length": LENGTHS,
    "only turning": NO_SKILL,
    "only moving": TURNS_LESS,
    "shuffled": NO_SKILL,
    "backwards": NO_SKILL,
    "inverse": NO_SKILL,
    "mirror image": NO_SKILL,
    "another clip": NO_SKILL,
    "between true ends": LENGTHS,
}
CONTEST = Contest(
    settings=(
        "protocol=pose",
        "protocol.context=5",  # the shipped RayZer takes no more than that
        "protocol.target=3",
        "dataset.world=orbits",
        "protocol.resolution=32",
        "limit=64",
    ),
    shown=(
        Shown("near_skill", "near skill %", 100, 1),
        Shown("skill", "skill %", 100, 1),
        Shown("rotation_amplitude", "rotation amplitude"),
        Shown("magnitude", "lengths %", 100, 0),
        Shown("auc_exact_signed@20", "AUC@20 %", 100, 1),
        Shown("auc_exact_signed@20|others", "same, others %", 100, 1),
    ),
    honest=("warp", "rayzer"),
    cheats={name: Cheat(NO_SKILL) for name in ("no_motion", "dolly")}
    | {name: Cheat(exposed, CHEATS[name]) for name, exposed in OTHERS.items()},
    keys=("own_error_deg", "others_error_deg", "others_beaten"),
)


def measure(cell: Cell) -> Rows:
    return CONTEST.measured(cell)


def broken(table: pd.DataFrame) -> Sequence[str]:
    """A cheat that its column does not flag, though it tops an honest method; `warp` not clear of a cheat."""
    rows, lines = table.set_index("baseline"), CONTEST.ahead_unseen(table)
    best = float(rows.loc[list(CONTEST.cheats), "near_skill high"].max())
    if not rows.loc["warp", "near_skill low"] > best:
        lines.append(f"warp: its interval is not clear of that of a cheat, which ends at {100 * best:.1f}")
    return lines


PART = Part(
    name="pose",
    title="pose@2: honest methods, cheats, and the column that exposes each (64 clips of version-2 orbits, 32 pixels)",
    code=(
        "protocols/pose",
        "protocols/shared",
        "tests/audit/cheats.py",
        "tests/audit/cheats_pose.py",
        "tests/audit/contest.py",
        "baselines",
        "evalkit/stats",
        "evalkit/data",
    ),
    cells=CONTEST.cells,
    measure=measure,
    broken=broken,
    view=CONTEST.view,
    workers=1,
)
