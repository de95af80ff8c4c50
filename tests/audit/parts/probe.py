"""Every cheat of `probe`: which column exposes it, and whether one tops an honest method unseen."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tests.audit.cheats_probe import CHEATS
from tests.audit.contest import Cheat, Contest, Exposed, Shown
from tests.audit.frame import Cell, Part, Rows

SHARE, NEAR = "latent.mlp.others_beaten", "latent.mlp.near_others_beaten"
CHANCE = Exposed(SHARE, "interval holds 50 %", lambda row: row[f"{SHARE} low"] <= 0.5)


def not_above(line: str, title: str) -> Exposed:
    """A code that tells no more than a line of its table: the share is not surely above that of a control."""
    return Exposed(SHARE, f"not surely above the line {title}", lambda row: row[f"{SHARE} low"] <= row[line])


PIXELS = not_above("pixels.mlp.others_beaten", "*raw pixels*")
TIME = not_above("time.mlp.others_beaten", "*time*")
BIT = not_above("time_and_side.mlp.others_beaten", "*time × one bit*")
OTHERS = {
    "time": TIME,
    "time × one bit": BIT,
    "time × two bits": BIT,
    "time × heading": BIT,
    "one bit": BIT,
    "thumbnail of 4": PIXELS,
    "thumbnail of 8": PIXELS,
    "noise": CHANCE,
    "shuffled": CHANCE,
}
CONTEST = Contest(
    settings=(
        "protocol=probe",
        "protocol.context=5",  # the shipped RayZer takes no more than that
        "protocol.target=3",
        "dataset.world=orbits",
        "protocol.resolution=32",
    ),
    shown=(
        Shown(SHARE, "nearer to own %", 100, 1),
        Shown(NEAR, "same, near %", 100, 1),
        Shown("latent.mlp.skill", "skill %", 100, 1),
        Shown("latent.mlp.near_skill", "near skill %", 100, 1),
        Shown("latent.mlp.auc_exact_signed@20", "AUC@20 %", 100, 1),
        Shown("latent.mlp.magnitude", "lengths %", 100, 0),
    ),
    honest=("warp", "xfactor", "rayzer", "rust"),
    cheats={"copy_context": Cheat(CHANCE), "static": Cheat(CHANCE), "copy_target": Cheat(PIXELS)}
    | {name: Cheat(exposed, CHEATS[name]) for name, exposed in OTHERS.items()},
    keys=tuple(f"{line}.mlp.others_beaten" for line in ("pixels", "time", "time_and_side")),
)


def measure(cell: Cell) -> Rows:
    return CONTEST.measured(cell)


def broken(table: pd.DataFrame) -> Sequence[str]:
    """A cheat that its column does not flag, though it tops an honest method; `warp` or `xfactor` not clear of all."""
    rows, lines = table.set_index("baseline"), CONTEST.ahead_unseen(table)
    best = float(rows.loc[list(CONTEST.cheats), f"{SHARE} high"].max())
    lines += [
        f"{name}: its interval is not clear of that of a cheat, which ends at {100 * best:.1f}"
        for name in ("warp", "xfactor")
        if not rows.loc[name, f"{SHARE} low"] > best
    ]
    return lines


PART = Part(
    name="probe",
    title="probe@2: honest methods, cheats, and what exposes each (256 clips of version-2 orbits, 32 pixels)",
    code=(
        "protocols/probe",
        "protocols/shared",
        "tests/audit/cheats.py",
        "tests/audit/cheats_probe.py",
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
