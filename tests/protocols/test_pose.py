"""pose: which frames and pairs each version counts, what a method may see, and what folded errors reward."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from baselines.controls.cards import ControlOptions
from baselines.controls.constant_motion import Dolly, NoMotion
from baselines.controls.copies import CopyContext
from baselines.controls.warping import ShuffledPoses, Warp
from evalkit.card import Card, Need, PoseKind, TargetPose
from evalkit.config.compose import compose_runs
from evalkit.data.dataset import ClipShape, SequenceInfo
from evalkit.errors import Unsupported, UserError
from evalkit.geometry.se3 import invert
from evalkit.method import Method, PoseCode
from evalkit.pixels import Preprocess
from evalkit.protocol import Arrays, Loaded, Sample, Summary
from evalkit.registry import Group, implementation
from evalkit.registry import load as load_component
from evalkit.run.store import table
from evalkit.views import Cameras, Frames, Views
from protocols.pose.options import PoseOptions
from protocols.pose.paired import paired
from protocols.pose.protocol import Pose
from protocols.shared.clip_skill import compare_clips

OPTIONS = ControlOptions(name="control")
VERSIONS = ("pose", "pose@noposplat", "pose@vggt", "pose@erayzer")
Path3 = Callable[[int], Tensor]  # a scene's number -> its cameras w2c [N, 4, 4]


class Planted:
    """A dataset of grey frames with cameras of our choice."""

    provides = frozenset(Need)
    clip_shape = ClipShape(context=5, target=3, span=(24, 48))

    def __init__(self, cameras: Path3, scenes: int) -> None:
        self.w2c = {f"scene-{i}": cameras(i) for i in range(scenes)}

    def sequences(self) -> list[SequenceInfo]:
        return [SequenceInfo(name, name, ((0, len(w2c)),)) for name, w2c in self.w2c.items()]

    def frames(self, sequence: str, numbers: Sequence[int], preprocess: Preprocess) -> Frames:
        images = torch.full((len(numbers), 3, 16, 16), 0.5)
        return Frames(images, tuple(numbers), Cameras(self.w2c[sequence][list(numbers)], None))

    def digest(self) -> str:
        return "planted"


class Says:
    """A method whose cameras are planted; it remembers how many views it was shown at a time."""

    card = Card(
        name="says",
        summary="planted cameras",
        pose=PoseKind.SE3,
        target_poses=(TargetPose.JOINT, TargetPose.CONTEXT_ONLY),
        needs=frozenset({Need.FRAME_NUMBERS}),
    )

    def __init__(self, cameras: Path3) -> None:
        self.cameras, self.shown = cameras, set[tuple[int, ...]]()

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        assert views.frame_numbers is not None
        self.shown |= {tuple(numbers) for numbers in views.frame_numbers.tolist()}
        scenes = [int(sample.split("-")[1].split("#")[0]) for sample in views.sample_ids]
        w2c = [self.cameras(scene)[each] for scene, each in zip(scenes, views.frame_numbers, strict=True)]
        return PoseCode(cameras=Cameras(torch.stack(w2c), None))


def wobbly(scene: int, length: int = 97) -> Tensor:
    """A smooth random path."""
    random = np.random.default_rng(scene)
    time = np.linspace(0, 0.7, length)[:, None]
    waves = [np.sin(2 * np.pi * (k * time + random.random(6))) * random.standard_normal(6) / k for k in (1, 2)]
    twist = np.sum(waves, axis=0)
    w2c = np.tile(np.eye(4), (length, 1, 1))
    w2c[:, :3, :3], w2c[:, :3, 3] = Rotation.from_rotvec(0.4 * twist[:, :3]).as_matrix(), twist[:, 3:]
    return torch.from_numpy(w2c)


def noisy(scene: int) -> Tensor:
    """The same path, ill-measured."""
    random = np.random.default_rng(100 + scene)
    w2c = wobbly(scene).clone()
    jitter = torch.from_numpy(Rotation.from_rotvec(0.03 * random.standard_normal((97, 3))).as_matrix())
    w2c[:, :3, :3] = jitter @ w2c[:, :3, :3]
    w2c[:, :3, 3] += torch.from_numpy(0.1 * random.standard_normal((97, 3)))
    return w2c


def dollying(direction: float) -> Path3:
    def cameras(scene: int) -> Tensor:
        w2c = torch.eye(4, dtype=torch.float64).repeat(97, 1, 1)
        w2c[:, 2, 3] = -direction * torch.arange(97)
        return w2c

    return cameras


def protocol(*overrides: str, cameras: Path3 = wobbly, scenes: int = 5, seed: int = 0) -> Pose:
    config = compose_runs(["protocol.resolution=16", *overrides])[0]
    return Pose(config.protocol, Planted(cameras, scenes), None, seed)  # type: ignore[arg-type]


def load(one: Pose) -> list[Loaded]:
    return [Loaded(s, (one.clips.dataset.frames(s.clips[0].sequence, s.clips[0].numbers, one.preprocess),))
            for s in one.samples()]  # fmt: skip


def outcome(one: Pose, method: Method) -> tuple[pd.DataFrame, Arrays]:
    """The rows and the arrays of a run."""
    batch = load(one)
    scored = one.score(batch, one.predict(batch, method), one.target_pose(method.card))
    heads = [{"sample": each.sample.id, "scenes": list(each.sample.scenes), "status": "ok"} for each in batch]
    arrays = {each.sample.id: outcome.arrays for each, outcome in zip(batch, scored, strict=True)}
    rows = table([head | outcome.row for head, outcome in zip(heads, scored, strict=True)])
    return rows, arrays.__getitem__


def summary(one: Pose, method: Method) -> Summary:
    return one.summarise(*outcome(one, method))


def errors_of(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Larger of rotation and folded translation error of c2w relative poses (true, predicted), by scipy."""
    found = []
    for true, pred in pairs:
        rotation = Rotation.from_matrix(true[:3, :3].T @ pred[:3, :3]).magnitude()
        cosine = true[:3, 3] @ pred[:3, 3] / np.linalg.norm(true[:3, 3]) / np.linalg.norm(pred[:3, 3])
        angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        found.append(max(np.degrees(rotation), min(angle, 180 - angle)))
    return np.array(found)


def relative(w2c: Tensor, first: int, second: int) -> np.ndarray:
    """The c2w pose of one frame in the axes of another."""
    return (w2c[first] @ torch.linalg.inv(w2c[second])).numpy()


def all_pairs(sample: Sample, frames: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    scene = int(sample.clips[0].sequence.split("-")[1])
    return [
        (relative(wobbly(scene), a, b), relative(noisy(scene), a, b))
        for i, a in enumerate(frames)
        for b in frames[i + 1 :]
    ]


def test_noposplat_pools_the_first_and_the_last_context_camera_of_all_clips() -> None:
    one = protocol("protocol=pose@noposplat", "protocol.context=4", "protocol.clips=3")
    pairs = []
    for sample in one.samples():
        context, scene = sample.clips[0].context, int(sample.clips[0].sequence.split("-")[1])
        pairs.append(
            (relative(wobbly(scene), context[0], context[-1]), relative(noisy(scene), context[0], context[-1]))
        )
    errors = np.sort(errors_of(pairs))
    found = summary(one, Says(noisy)).metrics
    assert len(errors) == found["auc_superglue_folded@5"].n == 15
    for threshold in (5, 10, 20):  # SuperGlue's evaluation, in numpy
        below = errors[errors < threshold]
        x = np.r_[0, below, threshold]
        y = np.r_[0, np.arange(1, len(below) + 1), len(below)] / len(errors)
        area = found[f"auc_superglue_folded@{threshold}"]
        assert area.mean == pytest.approx(np.trapezoid(y, x) / threshold)
        assert area.low <= area.mean <= area.high and area.scenes == 5
    assert found["error_deg_mean"].mean == pytest.approx(errors.mean())
    assert found["error_deg_median"].mean == pytest.approx(np.median(errors))


def test_vggt_pools_all_pairs_of_ten_frames_into_one_histogram() -> None:
    one = protocol("protocol=pose@vggt")
    errors = errors_of([pair for sample in one.samples() for pair in all_pairs(sample, sample.clips[0].context)])
    found = summary(one, Says(noisy)).metrics
    for threshold in (30, 15, 5, 3):
        histogram, _ = np.histogram(errors, bins=np.arange(threshold + 1))
        expected = (histogram.cumsum() / len(errors)).mean()
        assert found[f"auc_vggt_folded@{threshold}"].mean == pytest.approx(expected)
    assert found["auc_vggt_folded@30"].n == len(errors) == 5 * 45


def test_vggt_draws_ten_frames_by_the_samples_id_alone() -> None:
    drawn = [sample.clips[0].context for sample in protocol("protocol=pose@vggt").samples()]
    assert all(len(set(each)) == 10 and list(each) == sorted(each) for each in drawn) and len(set(drawn)) == 5
    assert [sample.clips[0].context for sample in protocol("protocol=pose@vggt", scenes=2).samples()] == drawn[:2]
    assert [sample.clips[0].context for sample in protocol("protocol=pose@vggt", seed=1).samples()] != drawn


def test_erayzer_takes_its_ten_frames_and_counts_pairs() -> None:
    one = protocol("protocol=pose@erayzer")
    sample = one.samples()[0]
    assert sample.clips[0].numbers == (0, 10, 21, 32, 42, 53, 64, 74, 85, 96)  # docs/eval.md of E-RayZer
    assert sample.clips[0].context == (0, 21, 42, 64, 96)
    found = summary(one, Says(noisy)).metrics
    each = [errors_of(all_pairs(sample, sample.clips[0].numbers)) for sample in one.samples()]
    for threshold in (5, 15, 30):
        shares = [(errors <= threshold).mean() for errors in each]
        assert found[f"rpa@{threshold}"].mean == pytest.approx(np.mean(shares))
    short = protocol("protocol=pose@erayzer", cameras=lambda scene: wobbly(scene)[:60]).samples()
    assert all("needs 97 frames" in sample.problem for sample in short)


@pytest.mark.parametrize("version", VERSIONS)
def test_true_cameras_in_another_world_of_another_scale_are_perfect(version: str) -> None:
    def elsewhere(scene: int) -> Tensor:
        w2c = wobbly(scene) @ invert(wobbly(scene)[40])
        w2c[:, :3, 3] *= 7.0
        return w2c

    found = summary(protocol(f"protocol={version}"), Says(elsewhere)).metrics
    for key, value in found.items():
        if key.endswith("|others") or key == "others_error_deg":
            continue  # they say how different the clips are
        if key.startswith(("auc", "rra", "rta", "rpa", "magnitude", "skill", "near", "others_beaten", "rotation_amp")):
            assert value.mean == pytest.approx(1.0, abs=1e-6), key
        else:
            assert value.mean == pytest.approx(0.0, abs=1e-5), key
    assert ("ate" in found) == (version == "pose")


def test_cameras_that_ignore_the_clip_have_no_skill() -> None:
    """Whatever they are: one path for all clips, no motion, or none that is known."""

    def unknown(scene: int) -> Tensor:
        return torch.full((97, 4, 4), torch.nan, dtype=torch.float64)

    one = protocol("protocol=pose", "protocol.frames=spread", scenes=12)
    for method in (Says(lambda scene: wobbly(99)), Says(unknown), NoMotion(OPTIONS, "cpu"), Dolly(OPTIONS, "cpu")):
        found = summary(one, method).metrics
        assert found["skill"].mean == pytest.approx(0, abs=1e-9)
        assert found["near_skill"].mean < 0.1
    assert summary(one, Says(noisy)).metrics["near_skill"].mean > 0.5


def test_half_of_each_rotation_is_half_the_amplitude() -> None:
    def about_one_axis(scene: int) -> Tensor:
        w2c = wobbly(scene).clone()
        angle = np.linspace(0, 0.5 + 0.1 * scene, 97)[:, None] * np.array([0, 1, 0])
        w2c[:, :3, :3] = torch.from_numpy(Rotation.from_rotvec(angle).as_matrix())
        return w2c

    def halved(scene: int) -> Tensor:
        w2c = about_one_axis(scene)
        turns = Rotation.from_matrix(w2c[:, :3, :3].numpy()).as_rotvec()
        w2c[:, :3, :3] = torch.from_numpy(Rotation.from_rotvec(turns / 2).as_matrix())
        return w2c

    found = summary(protocol("protocol=pose", cameras=about_one_axis), Says(halved)).metrics
    assert found["rotation_amplitude"].mean == pytest.approx(0.5)


def test_clips_that_are_too_alike_get_no_skill() -> None:
    found = summary(protocol("protocol=pose", cameras=dollying(1.0)), Dolly(OPTIONS, "cpu"))
    assert not {"skill", "near_skill"} & set(found.metrics) and found.metrics["auc_exact_signed@20"].mean == 1
    assert found.notes[0].startswith("clips too alike")
    assert found.metrics["auc_exact_signed@20|others"].mean == pytest.approx(1)


def test_clips_are_compared_with_clips_of_as_many_views() -> None:
    rows = table([{"sample": f"clip {i:02d}", "scenes": [f"scene {i:02d}"]} for i in range(12)])
    frames = [torch.arange(3 if i % 3 else 5) * 20 for i in range(12)]
    true, pred = ([path(i)[one] for i, one in enumerate(frames)] for path in (wobbly, noisy))
    both = compare_clips(rows, true, pred, 0.1).estimated["skill"]
    parts = [[i for i in range(12) if len(frames[i]) == views] for views in (3, 5)]
    alone = [
        compare_clips(rows.iloc[part], [true[i] for i in part], [pred[i] for i in part], 0.1).estimated["skill"]
        for part in parts
    ]
    assert both.own.tolist() == [*alone[0].own, *alone[1].own]
    assert both.means().whole == pytest.approx((8 * alone[0].whole() + 4 * alone[1].whole()) / 12)
    left_out = compare_clips(rows.drop(index=4), true[:4] + true[5:], pred[:4] + pred[5:], 0.1).estimated["skill"]
    position = both.names.index("scene 04")
    assert both.means().scenes[:, position] == pytest.approx(left_out.whole())


def test_the_paired_difference_of_two_skills_is_that_of_their_summaries() -> None:
    one = protocol("protocol=pose", scenes=8)
    runs = [outcome(one, Says(cameras)) for cameras in (noisy, lambda scene: wobbly(99))]
    skills = [one.summarise(*run).metrics for run in runs]
    settings = one.options.model_dump(mode="json")
    compared = paired(*runs, settings)
    for key in ("skill", "near_skill", "others_error_deg"):
        assert compared[key].difference.mean == pytest.approx(skills[0][key].mean - skills[1][key].mean)
    assert compared["skill"].p_value < 0.01
    assert paired(*runs, settings | {"version": "vggt"}) == {}


def test_a_dolly_that_guesses_backwards_is_rewarded_wherever_errors_are_folded() -> None:
    """The smooth prior: right line, wrong direction. Only the signed version sees it."""
    scores = {
        version: summary(protocol(f"protocol={version}", cameras=dollying(-1.0)), Dolly(OPTIONS, "cpu")).metrics
        for version in VERSIONS
    }
    assert scores["pose@noposplat"]["auc_superglue_folded@5"].mean == 1
    assert scores["pose@vggt"]["auc_vggt_folded@3"].mean == 1
    assert scores["pose@erayzer"]["rpa@5"].mean == 1
    assert scores["pose"]["auc_exact_signed@30"].mean == 0 == scores["pose"]["magnitude"].mean


def test_no_motion_is_90_degrees_off_and_has_no_trajectory_error() -> None:
    found = summary(protocol("protocol=pose"), NoMotion(OPTIONS, "cpu"))
    assert found.metrics["auc_exact_signed@30"].mean == 0
    assert np.isnan(found.metrics["ate"].mean)
    assert found.counts["no ATE, the predicted camera centres coincide"] == 5
    lined = summary(protocol("protocol=pose"), Dolly(OPTIONS, "cpu"))
    assert [count for name, count in lined.counts.items() if "on a line" in name] == [5]


def test_a_pair_without_a_true_baseline_is_exactly_90_degrees_off_and_named() -> None:
    def turning(scene: int) -> Tensor:
        w2c = wobbly(scene).clone()
        w2c[:, :3, 3] = 0
        return w2c

    found = summary(protocol("protocol=pose@noposplat", cameras=turning), Says(turning))
    assert found.metrics["error_deg_mean"].mean == 90 == found.metrics["error_deg_median"].mean
    assert [count for name, count in found.counts.items() if "at one place" in name] == [5]


@pytest.mark.parametrize(("version", "scored"), [("pose", 5), ("pose@noposplat", 2), ("pose@erayzer", 5)])
def test_context_only_shows_and_scores_the_context_alone(version: str, scored: int) -> None:
    one, method = protocol(f"protocol={version}", "protocol.target_pose=context_only"), Says(noisy)
    batch = load(one)
    w2c = one.predict(batch, method)["w2c"]
    assert method.shown == {loaded.sample.clips[0].context for loaded in batch}
    assert w2c.shape[:2] == (5, scored)
    joint, seer = protocol(f"protocol={version}", "protocol.target_pose=joint"), Says(noisy)
    everything = joint.predict(load(joint), seer)["w2c"]
    assert seer.shown == {loaded.sample.clips[0].numbers for loaded in batch}
    assert everything.shape[1] == (2 if version == "pose@noposplat" else len(batch[0].sample.clips[0].numbers))
    assert joint.target_pose(method.card) is TargetPose.JOINT


def test_what_has_no_cameras_or_does_not_take_targets_is_refused_in_one_line() -> None:
    one, joint = protocol("protocol=pose"), protocol("protocol=pose", "protocol.target_pose=joint")
    with pytest.raises(Unsupported, match="'copy_context' has no cameras"):
        one.target_pose(CopyContext.card)
    alone = replace(Says.card, target_poses=(TargetPose.CONTEXT_ONLY,))
    assert one.target_pose(alone) is TargetPose.CONTEXT_ONLY
    with pytest.raises(Unsupported, match="target_pose=joint"):
        joint.target_pose(alone)


def test_whoever_is_handed_the_cameras_is_an_upper_bound_and_in_no_ones_table() -> None:
    config = compose_runs(["protocol=pose", "protocol.resolution=16", "dataset.count=2"])[0]
    worlds = implementation(load_component(Group.DATASET, "procedural"))(config.dataset, "cpu")
    one = Pose(config.protocol, worlds, None, 0)  # type: ignore[arg-type]
    for method in (Warp(OPTIONS, "cpu"), ShuffledPoses(OPTIONS, "cpu")):
        assert one.target_pose(method.card) is TargetPose.GIVEN
        found = summary(one, method)
        assert found.metrics["auc_exact_signed@5"].mean == pytest.approx(1, abs=1e-5)
        assert found.metrics["ate_relative"].mean < 1e-6
        assert found.notes == ("cameras of the dataset, handed through: an upper bound",)


def test_a_published_list_gives_the_context(tmp_path: Path) -> None:
    listed = {"scene-0": {"context": [5, 60], "target": [10, 20]}, "scene-3": {"context": [0, 96], "target": [50, 60]}}
    (tmp_path / "mine.json").write_text(json.dumps(listed))
    one = protocol("protocol=pose@noposplat", f"protocol.index={tmp_path / 'mine.json'}")
    pairs = [(relative(wobbly(s), a, b), relative(noisy(s), a, b)) for s, a, b in ((0, 5, 60), (3, 0, 96))]
    found = [summary(one, Says(noisy)) for _ in range(2)]
    assert found[0].metrics["error_deg_mean"].mean == pytest.approx(errors_of(pairs).mean())
    assert found[0] == found[1]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_arrays_of_a_sample_are_as_large_as_planned(version: str) -> None:
    one, method = protocol(f"protocol={version}", scenes=1), Says(noisy)
    batch = load(one)
    (scored,) = one.score(batch, one.predict(batch, method), one.target_pose(method.card))
    assert sum(errors.nbytes for errors in scored.arrays.values()) == one.kept_bytes(batch[0].sample) > 0


def test_a_dataset_without_cameras_has_no_pose_accuracy() -> None:
    blind = Planted(wobbly, 1)
    blind.provides = frozenset()  # type: ignore[misc]
    with pytest.raises(UserError, match="true cameras"):
        Pose(PoseOptions(), blind, None, 0)
