"""How often `colmap` and `procedural` are wrong without a reason, and how many good answers they refuse for it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from itertools import product
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import ProceduralOptions
from evalkit.metrics.pose import relative_pose_errors
from evalkit.oracles.oracle import Estimate
from evalkit.oracles.procedural.estimator import ProceduralEstimator
from evalkit.oracles.procedural.oracle import ProceduralOracleOptions
from evalkit.oracles.sfm.colmap import ColmapOptions
from evalkit.oracles.sfm.estimator import ColmapEstimator
from evalkit.pixels import Preprocess
from protocols.shared.transfer_plan import TransferPlanner
from protocols.tps.options import TpsOptions
from tests.audit.frame import Cell, Part, Rows
from tests.audit.perturbed_clips import PERTURBATIONS, SCENES, Window, perturbed_clip, windows

WRONG_ROTATION_DEG, WRONG_TRANSLATION_DEG = 10.0, 30.0  # largest rotation error; median translation error, signed
GOOD_DEG = 10.0
MOST_SILENT = {"chosen": 1.0, "held out": 8.0}  # percent of the answers; see docs/oracles.md
MOST_REFUSED = 2.0  # percent of the good answers
MOST_TIME = 2.0  # with the checks, over without
WORLD_CLIPS = 12
# oracle, scene, frames of a clip, number of the last frame minus that of the first, windows
CHOSEN = (  # the bounds of the checks were chosen on these
    *(("colmap", "mydesk", 5, span, 8) for span in (16, 32, 60)),
    ("colmap", "mydesk", 10, 30, 6),
    ("colmap", "mydesk", 20, 38, 2),
    ("colmap", "mydesk", 30, 29, 3),
    ("colmap", "tum_fr2_desk", 5, 8, 4),
    ("colmap", "tum_fr2_desk", 10, 12, 2),
    *(("procedural", "mydesk", 5, span, 6) for span in (8, 16, 32)),
    *(("procedural", "mydesk", 8, span, 6) for span in (14, 28)),
    ("procedural", "tum_fr2_desk", 5, 8, 3),
    ("procedural", "tum_fr2_desk", 8, 14, 2),
)
HELD_OUT = (
    *(("colmap", "mydesk", 5, span, 8) for span in (12, 20, 26, 45)),
    *(("procedural", "mydesk", 5, span, 7) for span in (10, 20, 26)),
    ("procedural", "mydesk", 8, 21, 6),
)


def _cells() -> list[Cell]:
    """One cell a window of a capture, then one an oracle and a world; no captures where there are none."""
    captures = [
        _cell(oracle, window, kind)
        for kind, shapes in (("chosen", CHOSEN), ("held out", HELD_OUT))
        for oracle, scene, frames, span, count in shapes
        if SCENES.is_dir()
        for window in windows(scene, _segments(scene), frames, span, count)
    ]
    return captures + [
        _cell(oracle, Window(world, 0, 0, 5), "chosen")
        for oracle, world in product(("colmap", "procedural"), ("rooms", "orbits"))
    ]


def _cell(oracle: str, window: Window, kind: str) -> Cell:
    cell = {"oracle": oracle, "scene": window.scene, "first": window.first, "last": window.last, "frames": window.count}
    return {**cell, "windows": kind}


def _segments(scene: str) -> list[tuple[int, int]]:
    """The runs [start, end) of a capture in which the camera does not jump."""
    capture = json.loads((SCENES / scene / "opencv_cameras.json").read_text())
    stored = capture.get("segments") or [{"start": 0, "end": len(capture["frames"])}]
    return [(segment["start"], segment["end"]) for segment in stored]


def _measure(cell: Cell) -> Rows:
    """Answers with the checks of stability; where they refuse, also the answer without."""
    clips = _world_clips(cell["scene"]) if cell["scene"] in ("rooms", "orbits") else _captured_clips(cell)
    images = torch.stack([clip[1] for clip in clips])
    truth = torch.stack([clip[2] for clip in clips])
    answer, seconds = _estimate(cell["oracle"], images, refuse=True)
    plain, plain_seconds = _estimate(cell["oracle"], images, refuse=False)
    rotation, translation = relative_pose_errors(plain.w2c, truth, signed=True)
    checked = relative_pose_errors(answer.w2c, truth, signed=True)
    return [
        {
            "oracle": cell["oracle"],
            "windows": cell["windows"],
            "scene": cell["scene"],
            "frames": cell["frames"],
            "clip": clip[0],
            "reason": answer.reasons[i],
            "reason without checks": plain.reasons[i],
            "rotation": float((rotation if answer.reasons[i] else checked[0])[i].max()),
            "translation": float((translation if answer.reasons[i] else checked[1])[i].nanmedian()),
            "seconds": seconds / len(clips),
            "seconds without checks": plain_seconds / len(clips),
        }
        for i, clip in enumerate(clips)
    ]


def _estimate(name: str, images: Tensor, refuse: bool) -> tuple[Estimate, float]:
    """The answers of an oracle with one worker that has already started, and the seconds that they took."""
    settings: dict[str, Any] = {"workers": 1, "refuse_unstable": refuse, "timeout_s": 3600.0}
    oracle = (
        ColmapEstimator(ColmapOptions.model_validate(settings), "cpu")
        if name == "colmap"
        else ProceduralEstimator(ProceduralOracleOptions.model_validate(settings), "cpu")
    )
    oracle.estimate(torch.zeros(1, 2, 3, 64, 64), None)
    started = time.monotonic()
    answer = oracle.estimate(images, None)
    seconds = time.monotonic() - started
    oracle.close()
    return answer, seconds


def _captured_clips(cell: Cell) -> list[tuple[str, Tensor, Tensor]]:
    """Name, images and true cameras of a window under each perturbation."""
    window = Window(cell["scene"], cell["first"], cell["last"], cell["frames"])
    return [(f"{window} {how}", *perturbed_clip(window, how)) for how in PERTURBATIONS]


def _world_clips(world: str) -> list[tuple[str, Tensor, Tensor]]:
    """Name, images and true cameras of the target frames of the first pairs of `tps`."""
    tps = TpsOptions()
    dataset = ProceduralDataset(ProceduralOptions.model_validate({"world": world}), "cpu")
    clips = []
    for sample in TransferPlanner(tps, dataset, 0).samples()[:WORLD_CLIPS]:
        clip = sample.clips[0]
        frames = dataset.frames(clip.sequence, clip.target, Preprocess(tps.resolution, tps.preprocess))
        assert frames.cameras is not None
        clips.append((sample.id, frames.images.mul(255).round() / 255, frames.cameras.w2c.double()))
    return clips


def _flags(table: pd.DataFrame) -> pd.DataFrame:
    """The table with: answered, silent (wrong without a reason), good (before the checks), lost (good but refused)."""
    answered = table["reason"].fillna("") == ""
    wrong = (table["rotation"] > WRONG_ROTATION_DEG) | (table["translation"] > WRONG_TRANSLATION_DEG)
    plain = table["reason without checks"].fillna("") == ""
    good = plain & (table["rotation"] <= GOOD_DEG) & (table["translation"] <= GOOD_DEG)
    return table.assign(
        answered=answered, silent=answered & wrong, wrong=plain & wrong, good=good, lost=good & ~answered
    )


def _broken(table: pd.DataFrame) -> Sequence[str]:
    """Few silent errors; few additional refusals; at most twice the time."""
    table, lines = _flags(table), []
    for (oracle, kind), part in table.groupby(["oracle", "windows"]):
        silent = 100 * part["silent"].sum() / max(part["answered"].sum(), 1)
        if silent > MOST_SILENT[kind]:
            lines.append(f"{oracle}, windows {kind}: {silent:.1f} % of the answers are wrong in silence")
    for oracle, part in table.groupby("oracle"):
        refused = 100 * part["lost"].sum() / max(part["good"].sum(), 1)
        slower = part["seconds"].sum() / part["seconds without checks"].sum()
        if refused > MOST_REFUSED:
            lines.append(f"{oracle}: {refused:.1f} % of the good answers are refused")
        if slower > MOST_TIME:
            lines.append(f"{oracle}: {slower:.1f} times the time")
    return lines


def _view(table: pd.DataFrame) -> pd.DataFrame:
    """Counts by oracle, scene and length, then by oracle; at last the silent errors one by one."""
    table = _flags(table)
    counts = {
        "clips": ("clip", "size"),
        "answered": ("answered", "sum"),
        "wrong without checks": ("wrong", "sum"),
        "wrong in silence": ("silent", "sum"),
        "good without checks": ("good", "sum"),
        "of these refused": ("lost", "sum"),
        "seconds": ("seconds", "mean"),
        "seconds without checks": ("seconds without checks", "mean"),
    }
    groups = table.groupby(["oracle", "windows", "scene", "frames"], sort=False).agg(**counts).reset_index()
    totals = table.groupby(["oracle", "windows"], sort=False).agg(**counts).reset_index()
    each = table[table["silent"]].groupby(["oracle", "windows", "clip"], sort=False).agg(**counts).reset_index()
    parts = [groups, totals.assign(scene="all", frames=""), each.assign(frames="").rename(columns={"clip": "scene"})]
    return pd.concat(parts, ignore_index=True).round(2)


PART = Part(
    name="oracles",
    title="Wrong answers without a reason, on perturbed windows of real captures and on worlds, 256 pixels",
    code=("evalkit/oracles", "evalkit/metrics/pose.py", "tests/audit/perturbed_clips.py"),
    cells=_cells,
    measure=_measure,
    broken=_broken,
    view=_view,
)
