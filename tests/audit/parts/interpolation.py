"""Every cheat of `interpolation`: gain off the path, where no frame was taken, beside PSNR on frames."""

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
)

NO_GAIN = Exposed("off_path_gain", "interval holds 0, or lies below", lambda row: row["off_path_gain low"] <= 0)
CONTEST = Contest(
    settings=(
        "protocol=interpolation",
        "protocol.latent=linear",
        "protocol.context=5",
        "protocol.target=5",
        "protocol.metrics=[psnr,ssim]",
        "dataset.world=orbits",
        "protocol.resolution=32",
    ),
    shown=(
        Shown("off_path_gain", "gain off the path dB"),
        Shown("gain", "gain on frames dB"),
        Shown("psnr", "PSNR dB"),
        Shown("ssim", "SSIM", 1, 3),
    ),
    honest=("warp", "xfactor", "rayzer"),
    cheats={
        **dict.fromkeys(CONTROLS, Cheat(NO_GAIN)),
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
    name="interpolation",
    title="interpolation@2: honest methods, cheats, and the column that exposes each (64 clips of orbits, 32 pixels)",
    code=(
        "protocols/interpolation",
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
