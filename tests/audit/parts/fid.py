"""Every cheat of `fid`: copies that FID rewards, and the columns that stand before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from baselines.controls.cards import ControlOptions, CopyTargetBaseline, StaticBaseline
from baselines.controls.copies import CopyTarget
from evalkit.method import PoseCode, Scene
from evalkit.seeds import generator
from evalkit.views import Views
from tests.audit.cheats import CHEATS
from tests.audit.contest import Cheat, Contest, Exposed, Shown
from tests.audit.frame import Cell, Part, Rows
from tests.stand_in_features import stand_in

OPTIONS = ControlOptions(name="cheat")


class ContextInOrder(StaticBaseline):
    """Shows the context frames of B, sharp and real: in their order, or in a drawn one."""

    def __init__(self, is_shuffled: bool = False) -> None:
        self.is_shuffled = is_shuffled

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """A pose is one zero."""
        return PoseCode(latent=views.images.new_zeros(*views.images.shape[:2], 1))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the frames in the order in which they are shown."""
        count = views.images.shape[1]
        orders = [generator("context", name).permutation(count) for name in views.sample_ids]
        if not self.is_shuffled:
            return views.images
        return torch.stack([images[order.copy()] for images, order in zip(views.images, orders, strict=True)])

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """As many of them as there are targets, from the first on."""
        assert poses.latent is not None
        return scene[:, torch.arange(poses.latent.shape[1]) % scene.shape[1]]


class TargetsOfAnother(CopyTarget):
    """Shows the targets of the pair before in the batch: real frames of the data, neither of A nor of B."""

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Pass the images around; one alone is shown from its end to its start."""
        return super().render(scene, poses).roll(1, 0).flip(1)


NOT_B = Exposed("identity", "surely below 75 %", lambda row: row["identity high"] < 0.75)
BLEEDS = Exposed("bleed", "surely above .02", lambda row: row["bleed low"] > 0.02)
NOTHING = Exposed("nothing", "too little of A", lambda row: True)  # a limit, which docs/protocols/fid.md states
NO_GAIN = Exposed("exact_gain", "not surely above 0", lambda row: row["exact_gain low"] <= 0)
CONTROLS = {
    "copy_context": NO_GAIN,
    "static": NO_GAIN,
    "static_blurred": NO_GAIN,
    "mean_context": NO_GAIN,
    "shuffled_poses": NO_GAIN,
    "fixed_motion": NO_GAIN,
    "copy_target": NOT_B,
    "blend_target": BLEEDS,
}
OTHERS: dict[str, tuple[Exposed, Any, str]] = {
    "context in order": (NO_GAIN, ContextInOrder(), "static"),
    "context shuffled": (NO_GAIN, ContextInOrder(is_shuffled=True), "static"),
    "targets of another": (NOT_B, TargetsOfAnother(OPTIONS, "cpu"), CopyTargetBaseline.card.name),
    **{
        name: (exposed, CHEATS[name], "warp")
        for name, exposed in (
            ("clock", NO_GAIN),
            ("only turning", NO_GAIN),
            ("backwards", NO_GAIN),
            ("inverse", NO_GAIN),
            ("5 % of A", BLEEDS),
            ("20 % negative of A", Exposed("bleed", "surely below -.02", lambda row: row["bleed high"] < -0.02)),
            ("thumbnail of 8", BLEEDS),
            ("thumbnail of 8, still", BLEEDS),
            ("thumbnail of 4", NOTHING),
        )
    },
}
CONTEST = Contest(
    settings=("protocol=fid", "dataset.world=orbits", "protocol.resolution=32", "limit=64"),
    shown=(
        Shown("exact_gain", "exact gain dB"),
        Shown("identity", "shows B %", 100, 0),
        Shown("bleed", "bleed", 1, 3),
        Shown("fid", "FID (stand-in)"),
    ),
    honest=("warp", "xfactor", "rayzer", "rust"),
    cheats={name: Cheat(exposed) for name, exposed in CONTROLS.items()}
    | {name: Cheat(exposed, method, card) for name, (exposed, method, card) in OTHERS.items()},
    keys=("exact_psnr", "identity_real", "fid_floor", "kid"),
)


def measure(cell: Cell) -> Rows:
    with stand_in():
        return CONTEST.measured(cell)


def broken(table: pd.DataFrame) -> Sequence[str]:
    """A cheat ahead unseen; an honest method outside the ranking; `warp` not clear of all that no column flags."""
    rows, lines = table.set_index("baseline"), CONTEST.ahead_unseen(table)
    lines += [f"{name}: outside the ranking" for name in CONTEST.honest if rows.loc[name, "block"]]
    for name, cheat in CONTEST.cheats.items():
        is_flagged = cheat.exposed is not None and cheat.exposed.is_flagged(rows.loc[name])
        if not is_flagged:
            lines.append(f"{name}: {cheat.exposed.key if cheat.exposed else 'no column'} does not flag it")
        if cheat.exposed is NO_GAIN and not rows.loc[name, "exact_gain high"] < rows.loc["warp", "exact_gain low"]:
            lines.append(f"{name}: its interval is not clear of that of warp")
        if cheat.exposed in (NOT_B, BLEEDS) and not rows.loc[name, "block"]:
            lines.append(f"{name}: stands in the ranking")
    copies = rows.loc[["copy_context", "context in order", "copy_target"], "fid"].astype(float)
    if not copies.min() < float(rows.loc["xfactor", "fid"]):
        lines.append("no copy has a lower FID than xfactor: the reason why FID does not rank is gone")
    return lines


PART = Part(
    name="fid",
    title="fid@2: honest methods, cheats, and the column that exposes each (64 pairs of version-2 orbits, 32 pixels)",
    code=(
        "protocols/fid",
        "protocols/shared",
        "tests/stand_in_features.py",
        "tests/audit/cheats.py",
        "tests/audit/contest.py",
        "baselines",
        "evalkit/stats",
        "evalkit/metrics",
        "evalkit/data",
    ),
    cells=CONTEST.cells,
    measure=measure,
    broken=broken,
    view=CONTEST.view,
)
