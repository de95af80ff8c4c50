"""Every cheat of `augmentation`: half-blind gain beside PSNR at poses of whole targets."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tests.audit.contest import Cheat, Contest, Exposed, Shown
from tests.audit.frame import Cell, Part, Rows
from tests.audit.picture_cheats import (
    CONTROLS,
    ByRank,
    ClockArc,
    Morph,
    Painter,
    mixed,
    nearest_in_left_half,
    repainted,
    thumbnail,
)

NO_GAIN = Exposed("half_blind_gain", "interval holds 0, or lies below", lambda row: row["half_blind_gain low"] <= 0)
CONTEST = Contest(
    settings=(
        "protocol=augmentation",
        "protocol.metrics=[psnr,ssim]",
        "dataset.world=orbits",
        "protocol.resolution=32",
    ),
    shown=(
        Shown("half_blind_gain", "half-blind gain dB"),
        Shown("half_blind_psnr", "half-blind PSNR dB"),
        Shown("psnr", "PSNR dB"),
        Shown("ssim", "SSIM", 1, 3),
    ),
    honest=("warp", "xfactor", "rayzer", "rust"),
    cheats={
        **dict.fromkeys(CONTROLS, Cheat(NO_GAIN)),
        "repainted target": Cheat(NO_GAIN, Painter(repainted), "copy_target"),
        "thumbnail 4x4": Cheat(NO_GAIN, Painter(thumbnail(4)), "copy_target"),
        "context nearest in the left half": Cheat(NO_GAIN, Painter(nearest_in_left_half), "copy_target"),
        "mixture that fits the left half": Cheat(NO_GAIN, Painter(mixed), "copy_target"),
        "fade by rank": Cheat(NO_GAIN, ByRank(), "copy_target"),
        "morph by rank": Cheat(NO_GAIN, Morph(), "copy_target"),
        "fixed arc by rank": Cheat(NO_GAIN, ClockArc()),
    },
)


def measure(cell: Cell) -> Rows:
    return CONTEST.measured(cell)


def broken(table: pd.DataFrame) -> Sequence[str]:
    """A cheat that is ahead unseen; a cheat whose interval reaches that of `warp`."""
    return [*CONTEST.ahead_unseen(table), *CONTEST.not_clear_of_the_best(table)]


PART = Part(
    name="augmentation",
    title="augmentation@2: honest methods, cheats, and the column that exposes each (64 clips of orbits, 32 pixels)",
    code=(
        "protocols/augmentation",
        "protocols/shared",
        "tests/audit/contest.py",
        "tests/audit/picture_cheats.py",
        "baselines",
        "evalkit/stats",
        "evalkit/metrics/image.py",
        "evalkit/data",
    ),
    cells=CONTEST.cells,
    measure=measure,
    broken=broken,
    view=CONTEST.view,
)
