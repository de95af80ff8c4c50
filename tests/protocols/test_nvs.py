"""nvs: which frames, in which roles, from which source of poses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from baselines.controls.copies import CopyTarget
from baselines.saved.baseline import SavedBaseline, SavedOptions
from evalkit.card import TargetPose
from evalkit.config.compose import compose_runs, compose_tree
from evalkit.config.schema import parse
from evalkit.data.dataset import SequenceInfo
from evalkit.errors import SampleError
from evalkit.method import PoseCode, Scene
from evalkit.protocol import RENDERS, Loaded, Sample, Value
from evalkit.run.execute import Session, prepare
from protocols.nvs.protocol import Nvs, NvsOptions
from protocols.shared.clips import PROFILES, even_split
from protocols.shared.windows import draw_window


def pattern(n_context: int, n_target: int) -> str:
    context = even_split(n_context, n_target)
    return "".join("c" if rank in context else "T" for rank in range(n_context + n_target))


def samples_of(profile: str, sampling: str, length: int, seed: int = 0) -> list[Sample]:
    class OneLongSequence:
        def sequences(self) -> list[SequenceInfo]:
            return [SequenceInfo(f"scene-{i:02d}", f"scene-{i:02d}", ((0, length),)) for i in range(40)]

    tree = compose_tree(
        ["protocol=nvs", "protocol.clips=2", f"protocol.profile={profile}", f"protocol.sampling={sampling}"]
    )
    options = parse(NvsOptions, tree["protocol"])
    return Nvs(options, OneLongSequence(), None, seed).samples()  # type: ignore[arg-type]


def test_even_sampling_is_the_released_pattern() -> None:
    assert pattern(16, 8) == "ccTccTccTccTccTccTccTcTc"  # the 140 scenes of RayZer's DL3DV index
    assert pattern(5, 5) == "cTcTcTcTTc"
    assert pattern(12, 8) == "cccTTcccTTcccTTccTTc"


@pytest.mark.parametrize(("profile", "n_context", "n_target", "span"), [
    ("dl3dv", 16, 8, (64, 96)), ("re10k", 5, 5, (128, 192)), ("objaverse", 12, 8, (50, 65)),
])  # fmt: skip
@pytest.mark.parametrize("sampling", ["even", "random"])
def test_published_counts_and_spans(
    profile: str, n_context: int, n_target: int, span: tuple[int, int], sampling: str
) -> None:
    lengths = set()
    for sample in samples_of(profile, sampling, length=400):
        clip = sample.clips[0]
        assert (len(clip.context), len(clip.target)) == (n_context, n_target)
        assert len(set(clip.numbers)) == n_context + n_target
        assert {clip.numbers[0], clip.numbers[-1]} <= set(clip.context)
        lengths.add(clip.numbers[-1] - clip.numbers[0])
    assert span[0] <= min(lengths) <= max(lengths) <= span[1]
    assert len(lengths) > 10


def test_random_sampling_is_random_and_even_is_not() -> None:
    def patterns(sampling: str) -> set[tuple[int, ...]]:
        return {sample.clips[0].context_positions for sample in samples_of("dl3dv", sampling, length=400)}

    assert len(patterns("even")) == 1
    assert len(patterns("random")) > 70


def test_random_targets_are_farther_from_context_than_even_ones() -> None:
    """RayZer's released index has a mean distance to the nearest context frame of 1.97; a true random split 2.78."""

    def distance(sampling: str) -> float:
        clips = [sample.clips[0] for seed in range(8) for sample in samples_of("dl3dv", sampling, 400, seed)]
        return float(np.mean([min(abs(t - c) for c in clip.context) for clip in clips for t in clip.target]))

    assert distance("even") == pytest.approx(1.97, abs=0.15)
    assert distance("random") == pytest.approx(2.78, abs=0.2)


def test_a_plan_depends_on_ids_and_seed_alone() -> None:
    assert samples_of("re10k", "random", 400) == samples_of("re10k", "random", 400)
    assert samples_of("re10k", "random", 400) != samples_of("re10k", "random", 400, seed=1)


@given(st.integers(0, 2**32), st.integers(5, 40), st.integers(0, 30))
def test_windows_never_cross_a_jump(seed: int, shortest: int, extra: int) -> None:
    segments = ((0, 26), (26, 90), (95, 120))
    sequence = SequenceInfo("s", "s", segments)
    first, last = draw_window(sequence, (shortest, shortest + extra), np.random.default_rng(seed))
    assert any(start <= first and last < end for start, end in segments)
    assert shortest <= last - first <= shortest + extra


def test_a_short_sequence_is_planned_as_a_failure() -> None:
    samples = samples_of("dl3dv", "even", length=30)
    assert len(samples) == 80
    assert all("needs 65 frames" in sample.problem for sample in samples)
    with pytest.raises(SampleError, match="has 30"):
        draw_window(SequenceInfo("s", "s", ((0, 30),)), (64, 96), np.random.default_rng(0))


def test_given_poses_hide_the_targets_pixels(tmp_path: Path) -> None:
    """A method that is handed cameras and copies target pixels all the same gets NaN, which fails its sample."""
    overrides = ["protocol=nvs", "baseline=copy_target", "protocol.resolution=64", "limit=1", f"out={tmp_path}"]
    job = prepare(compose_runs(overrides)[0], Session())
    sample = job.plan.samples[0]
    frames = job.dataset.frames(sample.clips[0].sequence, sample.clips[0].numbers, job.protocol.preprocess)
    loaded = [Loaded(sample, (frames,))]
    assert not job.protocol.predict(loaded, job.method)[RENDERS].isnan().any()
    peeking = CopyTarget(None, "cpu")  # type: ignore[arg-type]
    peeking.card = replace(CopyTarget.card, target_poses=(TargetPose.GIVEN,))
    assert job.protocol.predict(loaded, peeking)[RENDERS].isnan().all()


class BlackLeftHalf(CopyTarget):
    """The target itself, but for its left half."""

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        images = super().render(scene, poses).clone()
        images[..., : images.shape[-1] // 2] = 0
        return images


def test_a_pose_that_saw_the_left_half_is_scored_on_the_right_half(tmp_path: Path) -> None:
    overrides = ["protocol=nvs", "baseline=copy_target", "protocol.resolution=64", "protocol.metrics=[psnr,ssim]"]
    job = prepare(compose_runs([*overrides, "limit=1", f"out={tmp_path}"])[0], Session())
    sample = job.plan.samples[0]
    frames = job.dataset.frames(sample.clips[0].sequence, sample.clips[0].numbers, job.protocol.preprocess)
    loaded = [Loaded(sample, (frames,))]
    method = BlackLeftHalf(None, "cpu")  # type: ignore[arg-type]

    def row_and_notes() -> tuple[dict[str, Value], tuple[str, ...]]:
        (scored,) = job.protocol.score(loaded, job.protocol.predict(loaded, method), TargetPose.JOINT)
        assert scored.pictures["renders"].shape[-1] == 64, "pictures show all of a render"
        rows = pd.DataFrame([{"sample": sample.id, "scenes": list(sample.scenes), "status": "ok", **scored.row}])
        return scored.row, job.protocol.summarise(rows, lambda _: {}).notes

    everywhere, silent = row_and_notes()
    method.card = replace(CopyTarget.card, score_region="right_half")
    right, notes = row_and_notes()
    assert everywhere["psnr"] < 20 and right["psnr"] == pytest.approx(100) and right["ssim"] == pytest.approx(1)  # type: ignore[operator]
    assert not silent and any("right half" in note for note in notes)
    assert "score_region" not in everywhere and right["score_region"] == "right_half"
    job.folder.save_renders_card(method.card, "joint")
    saved = SavedOptions(name="saved", dir=str(job.folder.path / "renders"), target_pose=None)
    assert SavedBaseline.card_of(saved).score_region == "right_half", "renders scored later are scored on the same half"


def test_profiles_have_room_for_their_views() -> None:
    for counts in PROFILES.values():
        assert counts.span[0] >= counts.context + counts.target - 1
