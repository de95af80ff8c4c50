"""Every cheat of `object`: guessed turns, painted backgrounds, copies; and the column that exposes each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from tests.audit.cheats_object import CHEATS
from tests.audit.contest import Cheat, Contest, Exposed, Shown
from tests.audit.frame import Cell, Part, Rows

CHARGED, IOU = "charged_psnr|all", "mask_iou|all"
WRONG_OUTLINE = Exposed(IOU, "surely below 60 %", lambda row: row[f"{IOU} high"] < 0.6)
NOT_RECONSTRUCTED = Exposed("success", "surely below 40 %", lambda row: row["success high"] < 0.4)
CONTROLS = (
    "copy_context",
    "static",
    "static_blurred",
    "mean_context",
    "shuffled_poses",
    "half_motion",
    "fixed_motion",
    "no_motion",
)
PAINTED = ("one colour", "static, filled", "static, veiled", "thumbnail of 4")


def _exposed(name: str) -> Exposed:
    is_painted = name in PAINTED or name.endswith("filled") or name.startswith("equal steps")
    return WRONG_OUTLINE if is_painted and not name.endswith("centred") else NOT_RECONSTRUCTED


CONTEST = Contest(
    settings=(
        "protocol=object",
        "dataset.world=turntable",
        "protocol.resolution=32",
        "protocol.metrics=[psnr]",
        "dataset.count=64",
    ),
    shown=(
        Shown(CHARGED, "object PSNR, paint outside charged, dB"),
        Shown(IOU, "mask IoU %", 100, 1),
        Shown("success", "reconstructed %", 100, 0),
        Shown("object_psnr|failed=baseline", "object PSNR dB"),
        Shown("psnr|failed=baseline", "PSNR dB"),
    ),
    honest=("warp",),
    cheats={name: Cheat(NOT_RECONSTRUCTED) for name in CONTROLS}
    | {name: Cheat(_exposed(name), method, card) for name, (method, card) in CHEATS.items()},
)


# Turntables proper: one full turn at even speed, of which the protocol draws an uneven part; and, as it was, all of it.
TURNED = ("equal steps", "equal steps, true height", "true height, filled", "fade by time", "two nearest cameras")
FULL_TURNS = {
    "full turns": replace(
        CONTEST,
        settings=(*CONTEST.settings, "dataset.version=1"),
        cheats={name: CONTEST.cheats[name] for name in TURNED},
    ),
    "full turns, split=even": replace(
        CONTEST,
        settings=(*CONTEST.settings, "dataset.version=1", "protocol.split=even", "protocol.context=12"),
        cheats={name: CONTEST.cheats[name] for name in TURNED},
    ),
}
CONTESTS = {"version 2": CONTEST, **FULL_TURNS}


def cells() -> Sequence[Cell]:
    return [{"turns": turns, **cell} for turns, contest in CONTESTS.items() for cell in contest.cells()]


def measure(cell: Cell) -> Rows:
    return [{"turns": cell["turns"], **row} for row in CONTESTS[cell["turns"]].measured(cell)]


def view(table: pd.DataFrame) -> pd.DataFrame:
    parts = [(turns, contest.view(table[table["turns"] == turns])) for turns, contest in CONTESTS.items()]
    return pd.concat([part.assign(turns=turns) for turns, part in parts])


def broken(table: pd.DataFrame) -> Sequence[str]:
    """A cheat whose interval is not clear of that of `warp`, or that the column named for it does not flag.

    An even split of full turns is the reason for the uneven one: there, equal steps pass.
    """
    parts = {turns: table[table["turns"] == turns] for turns in CONTESTS}
    lines = [line for turns in ("version 2", "full turns") for line in _not_clear(CONTESTS[turns], parts[turns])]
    flagged = parts["version 2"].set_index("baseline")
    lines += [
        f"{name}: {cheat.exposed.key} does not flag it"
        for name, cheat in CONTEST.cheats.items()
        if cheat.exposed and not cheat.exposed.is_flagged(flagged.loc[name])
    ]
    lines += [
        f"warp: flagged by {e.key}" for e in (WRONG_OUTLINE, NOT_RECONSTRUCTED) if e.is_flagged(flagged.loc["warp"])
    ]
    even = parts["full turns, split=even"].set_index("baseline")
    if not even.loc["equal steps, true height", CHARGED] > even.loc["fade by time", CHARGED]:
        lines.append("equal steps do not pass on an even split: the reason for the uneven one is gone")
    return lines


def _not_clear(contest: Contest, table: pd.DataFrame) -> list[str]:
    rows = table.set_index("baseline")
    return contest.ahead_unseen(table) + [
        f"{name}: its interval is not clear of that of warp"
        for name in contest.cheats
        if not rows.loc[name, f"{CHARGED} high"] < rows.loc["warp", f"{CHARGED} low"]
    ]


PART = Part(
    name="object",
    title="object@2: warp, cheats, and the column that exposes each (64 turntables, 32 pixels)",
    code=(
        "protocols/object",
        "protocols/shared",
        "tests/audit/cheats_object.py",
        "tests/audit/contest.py",
        "baselines/controls",
        "evalkit/stats",
        "evalkit/geometry",
        "evalkit/data",
    ),
    cells=cells,
    measure=measure,
    broken=broken,
    view=view,
)
