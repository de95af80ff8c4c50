"""nvs on published frames, and with every source of target poses: what each lets a method see."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from evalkit.card import Card, PoseKind, TargetPose
from evalkit.errors import UserError
from evalkit.index.released import evaluated_by_released_code
from evalkit.method import PoseCode
from evalkit.protocol import Better, Loaded
from evalkit.views import Views
from protocols.shared.target_poses import Batch, encode
from tests.jobs import TestJob, executed, planned_job

FAST = ["protocol=nvs", "protocol.resolution=48", "dataset.length=33", "protocol.metrics=[psnr,ssim]"]


def run(out: Path, *overrides: str) -> TestJob:
    job = planned_job([*FAST, f"out={out}", *overrides])
    executed(job)
    return job


def rows(job: TestJob) -> pd.DataFrame:
    return pd.read_parquet(job.folder.path / "rows.parquet")


def summary(job: TestJob) -> dict[str, dict[str, dict[str, float]]]:
    return json.loads((job.folder.path / "summary.json").read_text())  # type: ignore[no-any-return]


@pytest.fixture
def a_list(tmp_path: Path) -> Path:
    """A list of three of the procedural scenes: in the first a target is given away."""
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({
        "rooms-test-0000": {"context": [0, 16], "target": [16, 8, 4], "overlap": 0.04},
        "rooms-test-0001": {"context": [2, 20], "target": [5, 11], "overlap": 0.7},
        "rooms-test-0002": {"context": [0, 30], "target": [10, 15, 20], "overlap": 0.2},
        "rooms-test-0003": None,
    }))  # fmt: skip
    return path


def test_a_list_gives_its_frames_and_no_others(tmp_path: Path, a_list: Path) -> None:
    job = run(tmp_path, "baseline=copy_context", f"protocol.index={a_list}")
    first = job.plan.samples[0]
    assert (first.id, first.clips[0].context, first.clips[0].target) == ("rooms-test-0000", (0, 16), (16, 8, 4))
    assert list(rows(job)["n_target"]) == [3, 2, 3], "counts may differ from scene to scene"


def test_a_target_that_is_a_context_frame_is_scored_with_and_without(tmp_path: Path, a_list: Path) -> None:
    first, second, _ = rows(run(tmp_path, "baseline=copy_context", f"protocol.index={a_list}")).to_dict("records")
    assert (first["duplicates"], second["duplicates"]) == (1, 0)
    assert first["psnr"] == pytest.approx((2 * first["psnr|dedup"] + 100) / 3), "a copy of it saturates at 100 dB"
    assert second["psnr"] == second["psnr|dedup"]


def test_the_arrays_of_a_sample_are_as_large_as_planned(tmp_path: Path, a_list: Path) -> None:
    job = run(tmp_path, "baseline=copy_context", f"protocol.index={a_list}")
    for sample in job.plan.samples:
        kept = sum(scores.nbytes for scores in job.folder.arrays(sample.id).values())
        assert kept == job.protocol.kept_bytes(sample) > 0  # type: ignore[attr-defined]


def test_a_column_says_of_what_it_is_a_number(tmp_path: Path, a_list: Path) -> None:
    gain, _, psnr, _, dedup = run(tmp_path, "baseline=static", f"protocol.index={a_list}").protocol.columns
    assert (gain.key, gain.better) == ("half_blind_gain", Better.HIGHER)
    assert (psnr.key, psnr.quantity, psnr.better, psnr.variant) == ("psnr", "psnr", Better.HIGHER, "")
    assert (dedup.key, dedup.quantity, dedup.better, dedup.variant) == ("psnr|dedup", "psnr", Better.HIGHER, "dedup")


def test_the_stated_buckets_ignore_what_the_shipped_code_calls_medium(tmp_path: Path, a_list: Path) -> None:
    stated = run(tmp_path, "baseline=static", f"protocol.index={a_list}")
    shipped = run(tmp_path, "baseline=static", f"protocol.index={a_list}", "protocol.overlap=shipped")
    assert list(rows(stated)["overlap"]) == ["ignore", "large", "small"]
    assert list(rows(shipped)["overlap"]) == ["medium", "large", "small"]
    assert set(summary(shipped)["slices"]) == {"small", "medium", "large"}
    assert summary(shipped)["slices"]["large"]["mean"] == rows(shipped)["psnr"][1]


def test_a_scene_that_the_data_lack_is_refused_before_anything_is_computed(tmp_path: Path, a_list: Path) -> None:
    few = ["baseline=static", f"protocol.index={a_list}", "dataset.count=2"]
    with pytest.raises(UserError, match=r"1 of 3 scenes .*\(rooms-test-0002\).*allow_missing=true"):
        run(tmp_path / "out", *few)
    assert not (tmp_path / "out").exists()
    job = run(tmp_path / "out", *few, "allow_missing=true")
    assert summary(job)["coverage"] == {"planned": 3, "scored": 2}


def test_no_scene_of_the_real_lists_is_found_in_other_data(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_INDEX", str(shared / "index"))
    with pytest.raises(UserError, match="nothing can be scored: not in the dataset"):
        planned_job([*FAST, "baseline=static", "protocol.index=dl3dv-rayzer-even2"])


def test_drop_last_scores_what_the_released_loaders_score(tmp_path: Path) -> None:
    every = [*FAST, "baseline=static", "dataset.count=21", f"out={tmp_path}"]
    some = [*every, "protocol.drop_last=[4,4]"]
    all_ids, ids = ([sample.id for sample in planned_job(one).plan.samples] for one in (every, some))
    assert ids == [all_ids[i] for i in evaluated_by_released_code(21, 4, 4)]
    assert len(ids) < len(all_ids)


class Witness:
    """Writes down which frames its pose encoder sees: a pose is the mean of all that was seen with it."""

    card = Card("witness", "", PoseKind.LATENT, (TargetPose.JOINT, TargetPose.CONTEXT_ONLY, TargetPose.GIVEN))

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        seen = views.images.mean((2, 3, 4), keepdim=False)  # [B, V]
        own = seen[..., None]
        together = seen.mean(1, keepdim=True)[..., None].expand_as(own)
        count = torch.full_like(own, views.images.shape[1])
        return PoseCode(latent=torch.cat([own, together, count], dim=-1))


def a_clip(tmp_path: Path) -> Loaded:
    job = planned_job([*FAST, "baseline=static", "limit=1", f"out={tmp_path}"])
    sample = job.plan.samples[0]
    frames = job.dataset.frames(sample.clips[0].sequence, sample.clips[0].numbers, job.protocol.preprocess)
    return Loaded(sample, (frames,))


def witnessed(tmp_path: Path, source: TargetPose) -> tuple[Loaded, Tensor, Tensor]:
    loaded, method = a_clip(tmp_path), Witness()
    poses = encode(Batch.of([loaded], method), method, source)  # type: ignore[arg-type, type-var]
    assert poses.context.latent is not None and poses.target.latent is not None
    return loaded, poses.context.latent[0], poses.target.latent[0]


@dataclass(frozen=True)
class Ranked(PoseCode):
    """Pose codes of a method that keeps more than poses: the rank of each view, and one number a clip."""

    ranks: Tensor | None = None
    clip: Tensor | None = None
    per_clip = frozenset({"clip"})


class Ranks(Witness):
    """Keeps what it read the poses from, and the rank of each view among those that it saw."""

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        own = views.images.mean((2, 3, 4))[..., None]
        ranks = torch.arange(own.shape[1]).expand(own.shape[:2])
        return Ranked(own, None, own, ranks, torch.zeros(len(own)))


def test_poses_of_targets_encoded_one_by_one_keep_all_that_the_method_put_in_them(tmp_path: Path) -> None:
    loaded, method = a_clip(tmp_path), Ranks()
    poses = encode(Batch.of([loaded], method), method, TargetPose.CONTEXT_ONLY)  # type: ignore[arg-type, type-var]
    clip, brightness = loaded.sample.clips[0], loaded.frames[0].images.mean((1, 2, 3))
    target = poses.target
    assert isinstance(target, Ranked) and target.ranks is not None and target.clip is not None
    assert target.features is not None
    assert target.ranks[0].tolist() == [sum(c < number for c in clip.context) for number in sorted(clip.target)]
    assert torch.allclose(target.features[0, :, 0], brightness[list(clip.target_positions)])
    assert target.clip.shape == (1,)


def test_context_only_shows_each_target_alone_and_the_scene_none(tmp_path: Path) -> None:
    loaded, context, target = witnessed(tmp_path, TargetPose.CONTEXT_ONLY)
    clip, brightness = loaded.sample.clips[0], loaded.frames[0].images.mean((1, 2, 3))
    own = brightness[list(clip.context_positions)]
    assert torch.allclose(context[:, 1], own.mean()) and (context[:, 2] == 6).all()
    for position, pose in zip(clip.target_positions, target, strict=True):
        assert torch.allclose(pose[0], brightness[position]), "each target keeps its own pose"
        assert torch.allclose(pose[1], (own.sum() + brightness[position]) / 7)
        assert pose[2] == 7


def test_joint_shows_everything_and_given_no_target(tmp_path: Path) -> None:
    loaded, context, _ = witnessed(tmp_path, TargetPose.JOINT)
    assert torch.allclose(context[:, 1], loaded.frames[0].images.mean()) and (context[:, 2] == 9).all()
    _, context, target = witnessed(tmp_path, TargetPose.GIVEN)
    assert target.isnan().any() and context[:, 1].isnan().all(), "whoever looks at a hidden target sees NaN"


@pytest.mark.parametrize("source", ["joint", "context_only"])
def test_copy_target_tops_every_source_that_shows_it_the_target(tmp_path: Path, source: str) -> None:
    job = run(tmp_path, "baseline=copy_target", f"protocol.target_pose={source}", "limit=2")
    assert set(rows(job)["psnr"]) == {100.0}
    assert set(rows(job)["target_pose"]) == {source}


def test_alignment_lifts_warp_above_its_true_poses(tmp_path: Path) -> None:
    """Fitted against the target image, even a true pose gains: what is scored was used."""
    options = ["baseline=warp", "limit=1", "protocol.align.lpips=0", "protocol.resolution=64"]
    sources = ("given", "aligned_se3", "aligned_free")
    given, se3, free = (rows(run(tmp_path, *options, f"protocol.target_pose={source}")) for source in sources)
    assert given["psnr"][0] < min(se3["psnr"][0], free["psnr"][0])
    assert se3["rotation_residual"].max() < 1e-5 < 1e-3 < free["rotation_residual"].min()


def test_published_alignment_needs_the_network_of_its_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EVALKIT_WEIGHTS", raising=False)
    with pytest.raises(UserError, match=r"evalkit weights pull|protocol.align.lpips=0"):
        run(tmp_path, "baseline=warp", "limit=1", "protocol.target_pose=aligned_se3")


def test_pooled_psnr_lets_the_worst_frame_decide(tmp_path: Path) -> None:
    job = run(tmp_path, "baseline=copy_context", "limit=6", "protocol.metrics=[psnr,psnr_pooled]")
    found, table = summary(job)["metrics"], rows(job)
    pooled = -10 * torch.log10(torch.tensor(table["psnr_pooled"].mean()))
    assert found["psnr_pooled"]["mean"] == pytest.approx(float(pooled))
    assert found["psnr_pooled"]["mean"] < found["psnr"]["mean"]
    assert found["psnr_pooled"]["low"] <= found["psnr_pooled"]["mean"] <= found["psnr_pooled"]["high"]
