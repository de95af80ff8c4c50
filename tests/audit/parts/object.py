"""Every cheat of `object`: guessed turns, painted backgrounds, copies; and the column that exposes each."""

from __future__ import annotations

from collections.abc import Sequence

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


def measure(cell: Cell) -> Rows:
    return CONTEST.measured(cell)


def broken(table: pd.DataFrame) -> Sequence[str]:
    """A cheat whose interval is not clear of that of `warp`, or that the column named for it does not flag."""
    rows, lines = table.set_index("baseline"), CONTEST.ahead_unseen(table)
    for name, cheat in CONTEST.cheats.items():
        if not rows.loc[name, f"{CHARGED} high"] < rows.loc["warp", f"{CHARGED} low"]:
            lines.append(f"{name}: its interval is not clear of that of warp")
        if cheat.exposed and not cheat.exposed.is_flagged(rows.loc[name]):
            lines.append(f"{name}: {cheat.exposed.key} does not flag it")
    lines += [f"warp: flagged by {e.key}" for e in (WRONG_OUTLINE, NOT_RECONSTRUCTED) if e.is_flagged(rows.loc["warp"])]
    return lines


PART = Part(
    name="object",
    title="object@2: warp, cheats, and the column that exposes each (64 turntables of version 2, 32 pixels)",
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
    cells=CONTEST.cells,
    measure=measure,
    broken=broken,
    view=CONTEST.view,
    workers=1,
)
