"""Pictures of targets in poses and in renders: cheats of `leak` and honest methods, with few clips and with many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pandas as pd

from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.pixels import Preprocess
from evalkit.views import Frames
from protocols.leak.claims import READABLE
from protocols.leak.options import Tolerances
from protocols.leak.set_numbers import LEAKS
from tests.audit.cheats_leak import FOUND, FOUND_IN_MANY, IN_RENDERS, NOT_FOUND
from tests.audit.contest import Cheat, Contest, Exposed, Shown
from tests.audit.frame import Cell, Part, Rows

FEW, MANY = 24, 64  # clips
TOLERATED = dict(zip([column.key for column in READABLE], Tolerances().readable, strict=True))


def _is_read(row: pd.Series) -> bool:
    return any(row[f"{key} low"] > tolerance for key, tolerance in TOLERATED.items())


READ = Exposed("readable", "surely above its tolerance", _is_read)
BLEEDS = Exposed("bleed", "surely above .02", lambda row: row["bleed low"] > 0.02)
NOTHING = Exposed("nothing", "a limit", lambda row: True)  # docs/protocols/leak.md states it
FAINT = ("5 % of A", "5 % of A, from memory")  # need many clips
LEARNED = ("xfactor", "rayzer", "rust")
HONEST = (
    *("warp", *LEARNED, "copy_context", "static", "static_blurred", "mean_context"),
    *("shuffled_poses", "half_motion", "fixed_motion", "no_motion", "dolly"),
)
CONTEST = Contest(
    settings=("protocol=leak", "dataset.world=orbits", "protocol.resolution=32"),
    shown=(
        Shown("targets", "targets %", 100, 0),
        *(Shown(column.key, column.key.replace("readable@", "read at ") + " %", 100, 0) for column in READABLE),
        Shown("bleed", "bleed", 1, 3),
    ),
    honest=HONEST,
    cheats={"copy_target": Cheat(READ), "blend_target": Cheat(BLEEDS)}
    | {name: Cheat(READ, method) for name, method in (FOUND | FOUND_IN_MANY).items()}
    | {name: Cheat(BLEEDS, method) for name, method in IN_RENDERS.items()}
    | {name: Cheat(NOTHING, method) for name, method in NOT_FOUND.items()},
    keys=("pixels", "elsewhere_psnr"),
    lower_is_better=True,
)


def cells() -> Sequence[Cell]:
    """Every method with few clips and with many; what needs many, with many. Learned methods take longest."""
    every = [cell["baseline"] for cell in CONTEST.cells()]
    few = [{"baseline": name, "clips": FEW} for name in every if name not in (*FOUND_IN_MANY, *FAINT)]
    many = [{"baseline": name, "clips": MANY} for name in every]
    return sorted([*few, *many], key=lambda cell: cell["baseline"] in LEARNED)


@cache
def ray_cast_once() -> None:
    """Keep the frames that this process has ray-cast: all methods are shown the same, and it takes most of the time."""
    ray_cast, kept = ProceduralDataset.frames, dict[tuple[object, ...], Frames]()

    def frames(self: ProceduralDataset, sequence: str, numbers: Sequence[int], preprocess: Preprocess) -> Frames:
        key = (self.options.model_dump_json(), sequence, tuple(numbers), preprocess)
        if key not in kept:
            kept[key] = ray_cast(self, sequence, numbers, preprocess)
        return kept[key]

    ProceduralDataset.frames = frames  # type: ignore[method-assign]


def measure(cell: Cell) -> Rows:
    ray_cast_once()
    contest = replace(CONTEST, settings=(*CONTEST.settings, f"limit={cell['clips']}"))
    return [{**row, "clips": cell["clips"]} for row in contest.measured(cell)]


def contests(table: pd.DataFrame) -> list[tuple[int, Contest, pd.DataFrame]]:
    """The contest of each number of clips, with its rows."""
    found = []
    for clips, rows in table.groupby("clips", sort=False):
        cheats = {name: cheat for name, cheat in CONTEST.cheats.items() if name in set(rows["baseline"])}
        found.append((int(str(clips)), replace(CONTEST, cheats=cheats), rows))
    return found


def broken(table: pd.DataFrame) -> Sequence[str]:
    """A cheat that is not flagged, or an honest method that is."""
    lines = [
        f"{clips} clips: {line}" for clips, contest, rows in contests(table) for line in contest.ahead_unseen(rows)
    ]
    wrong = table[table["baseline"].isin(HONEST) & (table["block"] == LEAKS)]
    return lines + [f"{row['clips']} clips: {row['baseline']} is flagged" for _, row in wrong.iterrows()]


def view(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(
        [contest.view(rows).assign(clips=clips) for clips, contest, rows in contests(table)], ignore_index=True
    )


PART = Part(
    name="leak",
    title="leak@2: honest methods, and pictures of targets in poses and renders (orbits, 32 pixels, 64 and 24 clips)",
    code=(
        "protocols/leak",
        "protocols/shared",
        "tests/audit/cheats_leak.py",
        "tests/audit/cheats.py",
        "tests/audit/contest.py",
        "baselines",
        "evalkit/stats",
        "evalkit/data",
    ),
    cells=cells,
    measure=measure,
    broken=broken,
    view=view,
)
