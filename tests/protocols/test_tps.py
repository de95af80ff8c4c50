"""tps: what passes from clip A to scene B, and which of the cheats each number catches."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from evalkit.card import Need
from evalkit.data.dataset import ClipShape, SequenceInfo
from evalkit.errors import UserError
from evalkit.geometry.se3 import invert
from evalkit.method import Method, PoseCode
from evalkit.metrics.pose import chance_floor
from evalkit.protocol import RENDERS, Loaded
from evalkit.run.session import Session
from evalkit.views import Cameras
from protocols.shared.skill import skill
from protocols.shared.transfer_plan import TransferOptions, TransferPlanner
from protocols.tps.skill import Kept, Motions
from tests.jobs import TestJob, executed, planned_job

CONTROLS = ("copy_context", "static", "shuffled_poses", "copy_target", "warp")


def prepared(out: Path, *overrides: str) -> TestJob:
    return planned_job(["protocol=tps", f"out={out}", *overrides])


def load(job: TestJob, position: int = 0) -> Loaded:
    sample = job.plan.samples[position]
    frames = [job.dataset.frames(clip.sequence, clip.numbers, job.protocol.preprocess) for clip in sample.clips]
    return Loaded(sample, tuple(frames))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TestJob]:
    """All controls on procedural rooms, judged by COLMAP."""
    out, session = tmp_path_factory.mktemp("tps"), Session()
    settings = [["protocol=tps", f"baseline={name}", "limit=10", f"out={out}"] for name in CONTROLS]
    jobs = [planned_job(each, session) for each in settings]
    executed(*jobs)
    return dict(zip(CONTROLS, jobs, strict=True))


def summary(job: TestJob) -> dict[str, dict[str, float]]:
    return json.loads((job.folder.path / "summary.json").read_text())["metrics"]  # type: ignore[no-any-return]


def rows(job: TestJob) -> pd.DataFrame:
    return pd.read_parquet(job.folder.path / "rows.parquet")


def test_pairs_are_of_different_sequences_and_the_first_share_none(tmp_path: Path) -> None:
    samples = prepared(tmp_path, "baseline=static").plan.samples
    assert all(sample.clips[0].sequence != sample.clips[1].sequence for sample in samples)
    first_half = [scene for sample in samples[: len(samples) // 2] for scene in sample.scenes]
    assert len(set(first_half)) == len(first_half)
    assert {sample.clips[0].sequence for sample in samples} == {sample.clips[1].sequence for sample in samples}


def test_targets_are_equally_spaced_and_share_the_middle_with_the_context(tmp_path: Path) -> None:
    for sample in prepared(tmp_path, "baseline=static", "protocol.span=[32,32]").plan.samples:
        for clip in sample.clips:
            first = clip.context[0]
            assert [number - first for number in clip.context] == [0, 8, 16, 24, 32]
            assert [number - first for number in clip.target] == [4, 10, 16, 22, 28]


@pytest.mark.parametrize(("typed", "answer"), [
    ("protocol.target=1", "at least 2"),
    ("dataset.count=1", "2 or more"),
    ("protocol.span=[1,2]", r"protocol.span=\[1, 2\]: .* room for 5"),
])  # fmt: skip
def test_what_cannot_be_compared_is_refused(typed: str, answer: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=answer):
        prepared(tmp_path, "baseline=static", typed)


@pytest.mark.parametrize(("shape", "typed", "span"), [
    (None, None, (8, 14)),
    (ClipShape(transfer_span=(24, 32)), None, (24, 32)),
    (ClipShape(transfer_span=(24, 32)), (9, 9), (9, 9)),
    (ClipShape(span=(24, 48)), None, (8, 14)),
])  # fmt: skip
def test_windows_are_those_typed_or_the_datasets(
    shape: ClipShape | None, typed: tuple[int, int] | None, span: tuple[int, int]
) -> None:
    class Sequences:
        provides: frozenset[Need] = frozenset()
        clip_shape = shape

        def sequences(self) -> list[SequenceInfo]:
            return [SequenceInfo(f"scene-{i:02d}", f"scene-{i:02d}", ((0, 97),)) for i in range(40)]

        def digest(self) -> str:
            return "sequences"

    plan = TransferPlanner(TransferOptions(span=typed), Sequences(), 0)
    lengths = {clip.context[-1] - clip.context[0] for sample in plan.samples() for clip in sample.clips}
    assert (min(lengths), max(lengths)) == span


def test_nothing_but_the_pose_code_passes_from_a_to_b(tmp_path: Path) -> None:
    """With A's pose code replaced by B's own, the render no longer depends on A at all."""
    job = prepared(tmp_path, "baseline=warp", "protocol.resolution=64", "limit=2")
    loaded, method = load(job), job.method

    class BlindToPoses(type(method)):  # type: ignore[misc]
        def render(self, scene: object, poses: PoseCode) -> Tensor:
            assert poses.cameras is not None
            return super().render(scene, PoseCode(cameras=scene.cameras))  # type: ignore[no-any-return, attr-defined]

    other = Loaded(loaded.sample, (load(job, 1).frames[0], loaded.frames[1]))
    blind = BlindToPoses(None, "cpu")

    def renders(given: Loaded, method: Method) -> Tensor:
        return job.protocol.predict([given], method)[RENDERS]

    assert torch.equal(renders(loaded, blind), renders(other, blind))
    assert not torch.equal(renders(loaded, method), renders(other, method))


def test_a_transferred_pose_is_composed_on_bs_reference(tmp_path: Path) -> None:
    """The world frame of either clip is nobody's business: moving it changes no pixel of `warp`."""
    job = prepared(tmp_path, "baseline=warp", "protocol.resolution=64", "limit=1")
    loaded = load(job)
    a, b = loaded.frames
    assert a.cameras is not None and b.cameras is not None
    elsewhere = Cameras(a.cameras.w2c @ invert(b.cameras.w2c[3]), a.cameras.intrinsics)
    moved = Loaded(loaded.sample, (replace(a, cameras=elsewhere), b))
    before, after = (job.protocol.predict([one], job.method)[RENDERS] for one in (loaded, moved))
    assert (before - after).abs().mean() < 1e-4


def test_warp_transfers_poses(results: dict[str, TestJob]) -> None:
    found = summary(results["warp"])
    assert found["auc_exact_signed@20"]["mean"] >= 0.60
    assert found["exact_psnr_visible"]["mean"] >= 20


def test_copy_target_fools_tps_and_bleed_and_the_exact_error_expose_it(results: dict[str, TestJob]) -> None:
    cheat, honest = summary(results["copy_target"]), summary(results["warp"])
    assert cheat["auc_exact_signed@20"]["mean"] >= 0.99
    assert cheat["skill"]["mean"] >= 0.99 and honest["skill"]["mean"] > 0.8
    assert cheat["bleed"]["low"] > 0.5 and honest["bleed"]["low"] < 0.02
    assert cheat["exact_psnr"]["mean"] < honest["exact_psnr"]["mean"] - 5


def test_ignoring_the_pose_ends_at_chance_or_as_oracle_failures(results: dict[str, TestJob]) -> None:
    for name in ("copy_context", "static"):
        table, found = rows(results[name]), summary(results[name])
        assert found["auc_exact_signed@20|failed=90"]["low"] <= chance_floor(20, signed=True)
        assert abs(found["skill"]["mean"]) < 0.2
        assert set(table["oracle_on_render"]) != {"ok"} or name == "copy_context"


def test_the_skill_of_renders_that_ignore_the_pose_holds_0(results: dict[str, TestJob]) -> None:
    """Dealt to the pairs at random, those of `copy_context` score 0 on average; one interval of 20 may miss it."""
    table = rows(results["copy_context"])
    readable = table[table["oracle_on_real"] == "ok"]
    motions = Motions.of(readable, Kept.read(readable, results["copy_context"].folder.arrays), 0.1)
    rng, skills = torch.Generator().manual_seed(0), []
    for _ in range(100):
        dealt = replace(motions, estimated=motions.estimated[torch.randperm(len(readable), generator=rng)])
        skills.append(dealt.compared()["skill"].means().interval(skill))
    assert abs(np.mean([found.mean for found in skills])) < 0.03
    assert sum(found.low <= 0 <= found.high for found in skills) >= 93


def test_shuffled_poses_look_right_and_are_wrong(results: dict[str, TestJob]) -> None:
    shuffled, honest = summary(results["shuffled_poses"]), summary(results["warp"])
    assert shuffled["auc_exact_signed@20|failed=90"]["mean"] < honest["auc_exact_signed@20|failed=90"]["mean"] / 2


def test_every_accuracy_can_be_computed_again_from_the_arrays(results: dict[str, TestJob]) -> None:
    job, table = results["warp"], rows(results["warp"])
    for row in table[table["oracle_on_render"] == "ok"].to_dict("records"):
        arrays = load_file(job.folder.path / "arrays" / f"{row['sample']}.safetensors")
        error = torch.maximum(arrays["rotation_error_deg"], arrays["translation_error_signed_deg"])
        assert error.shape == (10,)
        areas = (1 - error / 20).clamp(min=0)[arrays["long_baseline"]]
        assert row["auc_exact_signed@20"] == pytest.approx(float(areas.mean()), abs=1e-9)


def test_the_arrays_of_a_sample_are_as_large_as_planned(results: dict[str, TestJob]) -> None:
    job = results["warp"]
    for sample in job.plan.samples:
        kept = sum(errors.nbytes for errors in job.folder.arrays(sample.id).values())
        assert kept == job.protocol.kept_bytes(sample) > 0  # type: ignore[attr-defined]


def test_identity_catches_the_cheat_that_fid_cannot(results: dict[str, TestJob]) -> None:
    found = {name: summary(job)["identity"]["mean"] for name, job in results.items()}
    assert found["copy_target"] == 0.0, "it shows A"
    assert min(found[name] for name in ("copy_context", "static", "warp")) > 0.95
    assert summary(results["warp"])["identity_real"]["mean"] > 0.95, "real frames of B say how good the feature is"


def test_the_ceiling_is_what_the_oracle_says_of_a_blurred_copy(results: dict[str, TestJob]) -> None:
    job = results["copy_target"]
    document = json.loads((job.folder.path / "summary.json").read_text())
    ceiling = document["references"]["ceiling (real, blurred)"]
    table = rows(job)
    read = table[(table["oracle_on_real"] == "ok") & (table["oracle_on_blurred"] == "ok")]
    assert ceiling["auc_exact_signed@20"] == pytest.approx(read["ceiling.auc_exact_signed@20"].mean())
    assert 0.7 < ceiling["auc_exact_signed@20"] < 1.0, "a perfect method could hardly score more"


def test_every_pair_falls_into_one_part_by_rotation_and_one_by_baseline(results: dict[str, TestJob]) -> None:
    document = json.loads((results["warp"].folder.path / "summary.json").read_text())
    parts, n = document["slices"], document["metrics"]["auc_exact_signed@20"]["n"]
    assert sum(part["n"] for name, part in parts.items() if "°" in name) == n
    assert sum(part["n"] for name, part in parts.items() if "°" not in name) == n


def test_the_papers_version_prints_the_papers_numbers_of_the_same_rows(
    results: dict[str, TestJob], tmp_path: Path
) -> None:
    """Frames, rows and errors are those of tps@3 where the pixels are made alike; only what is printed differs."""
    overrides = ["protocol=tps@xfactor", "protocol.preprocess=pixelsplat", "baseline=shuffled_poses", "limit=4"]
    job = planned_job([*overrides, f"out={tmp_path}"])
    executed(job)
    assert job.folder.path.parts[-4] == "tps@xfactor"
    keys = {column.key for column in job.protocol.columns}
    assert keys == {f"{k}@{t}" for k in ("rra", "rta_folded", "auc_xfactor_folded") for t in (10, 20, 30)} | {
        "oracle_failed"
    }
    pd.testing.assert_frame_equal(rows(job), rows(results["shuffled_poses"]).merge(rows(job)[["sample"]]))
    found = summary(job)["auc_xfactor_folded@20"]["mean"]
    assert found == pytest.approx(rows(job)["auc_xfactor_folded@20"].mean())


def test_the_source_of_the_poses_is_in_every_row(results: dict[str, TestJob]) -> None:
    assert set(rows(results["warp"])["target_pose"]) == {"transfer"}
