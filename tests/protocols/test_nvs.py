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
from baselines.saved.method import Saved, SavedOptions
from evalkit.card import Need, TargetPose
from evalkit.data.dataset import ClipShape, SequenceInfo
from evalkit.errors import SampleError, UserError
from evalkit.method import PoseCode, Scene
from evalkit.pixels import Profile
from evalkit.protocol import RENDERS, Loaded, Sample, Value
from protocols.nvs.options import NvsOptions
from protocols.nvs.plan import NvsPlan
from protocols.shared.clips import FALLBACK, Sampling, even_split
from protocols.shared.windows import draw_window
from tests.jobs import planned_job


def pattern(n_context: int, n_target: int) -> str:
    context = even_split(n_context, n_target)
    return "".join("c" if rank in context else "T" for rank in range(n_context + n_target))


# As published: RayZer, implementation details; its code resizes to multiples of 16.
DL3DV = ClipShape(16, 8, (64, 96), profile=Profile.LVSM_P16)
RE10K = ClipShape(5, 5, (128, 192), profile=Profile.LVSM_P16)
OBJAVERSE = ClipShape(12, 8, (50, 65), profile=Profile.LVSM_P16)


class LongSequences:
    """Forty sequences without a jump, of a dataset that names the shape of its clips."""

    provides: frozenset[Need] = frozenset()

    def __init__(self, length: int, clip_shape: ClipShape | None = None) -> None:
        self.length, self.clip_shape = length, clip_shape

    def sequences(self) -> list[SequenceInfo]:
        return [SequenceInfo(f"scene-{i:02d}", f"scene-{i:02d}", ((0, self.length),)) for i in range(40)]

    def digest(self) -> str:
        return "long sequences"


def samples_of(shape: ClipShape, sampling: str, length: int, seed: int = 0) -> list[Sample]:
    options = NvsOptions(clips=2, sampling=Sampling(sampling))
    return NvsPlan(options, LongSequences(length, shape), None, seed).samples()


def test_even_sampling_is_the_released_pattern() -> None:
    assert pattern(16, 8) == "ccTccTccTccTccTccTccTcTc"  # the 140 scenes of RayZer's DL3DV index
    assert pattern(5, 5) == "cTcTcTcTTc"
    assert pattern(12, 8) == "cccTTcccTTcccTTccTTc"


@pytest.mark.parametrize("shape", [DL3DV, RE10K, OBJAVERSE])
@pytest.mark.parametrize("sampling", ["even", "random"])
def test_counts_spans_and_pixels_are_those_of_the_dataset(shape: ClipShape, sampling: str) -> None:
    assert shape.context is not None and shape.target is not None and shape.span is not None
    lengths = set()
    for sample in samples_of(shape, sampling, length=400):
        clip = sample.clips[0]
        assert (len(clip.context), len(clip.target)) == (shape.context, shape.target)
        assert len(set(clip.numbers)) == shape.context + shape.target
        assert {clip.numbers[0], clip.numbers[-1]} <= set(clip.context)
        lengths.add(clip.numbers[-1] - clip.numbers[0])
    assert shape.span[0] <= min(lengths) <= max(lengths) <= shape.span[1]
    assert len(lengths) > 10
    assert NvsPlan(NvsOptions(), LongSequences(400, shape), None, 0).preprocess.profile is shape.profile


def test_what_the_user_says_comes_before_the_dataset_and_that_before_the_fallback() -> None:
    typed = NvsPlan(
        NvsOptions(context=2, target=1, span=(9, 9), preprocess=Profile.LVSM_P8), LongSequences(400, DL3DV), None, 0
    )
    assert typed.clips.counts == (2, 1, (9, 9), Profile.LVSM_P8)
    silent = NvsPlan(NvsOptions(), LongSequences(400), None, 0)
    assert silent.clips.counts == FALLBACK == (6, 3, (8, 14), Profile.PIXELSPLAT)
    partly = NvsPlan(NvsOptions(), LongSequences(400, ClipShape(span=(24, 48))), None, 0)
    assert partly.clips.counts == FALLBACK._replace(span=(24, 48))


def test_a_window_without_room_for_the_views_is_refused() -> None:
    with pytest.raises(UserError, match=r"protocol.span=\[3, 4\]: .* room for 9 different frames.*span=\[8,18\]"):
        NvsPlan(NvsOptions(span=(3, 4)), LongSequences(400), None, 0)


def test_random_sampling_is_random_and_even_is_not() -> None:
    def patterns(sampling: str) -> set[tuple[int, ...]]:
        return {sample.clips[0].context_positions for sample in samples_of(DL3DV, sampling, length=400)}

    assert len(patterns("even")) == 1
    assert len(patterns("random")) > 70


def test_random_targets_are_farther_from_context_than_even_ones() -> None:
    """RayZer's released index has a mean distance to the nearest context frame of 1.97; a true random split 2.78."""

    def distance(sampling: str) -> float:
        clips = [sample.clips[0] for seed in range(8) for sample in samples_of(DL3DV, sampling, 400, seed)]
        return float(np.mean([min(abs(t - c) for c in clip.context) for clip in clips for t in clip.target]))

    assert distance("even") == pytest.approx(1.97, abs=0.15)
    assert distance("random") == pytest.approx(2.78, abs=0.2)


def test_a_plan_depends_on_ids_and_seed_alone() -> None:
    assert samples_of(RE10K, "random", 400) == samples_of(RE10K, "random", 400)
    assert samples_of(RE10K, "random", 400) != samples_of(RE10K, "random", 400, seed=1)


@given(st.integers(0, 2**32), st.integers(5, 40), st.integers(0, 30))
def test_windows_never_cross_a_jump(seed: int, shortest: int, extra: int) -> None:
    segments = ((0, 26), (26, 90), (95, 120))
    sequence = SequenceInfo("s", "s", segments)
    first, last = draw_window(sequence, (shortest, shortest + extra), np.random.default_rng(seed))
    assert any(start <= first and last < end for start, end in segments)
    assert shortest <= last - first <= shortest + extra


def test_a_short_sequence_is_planned_as_a_failure() -> None:
    samples = samples_of(DL3DV, "even", length=30)
    assert len(samples) == 80
    assert all("needs 65 frames" in sample.problem for sample in samples)
    with pytest.raises(SampleError, match="has 30"):
        draw_window(SequenceInfo("s", "s", ((0, 30),)), (64, 96), np.random.default_rng(0))


def test_given_poses_hide_the_targets_pixels(tmp_path: Path) -> None:
    """A method that is handed cameras and copies target pixels all the same gets NaN, which fails its sample."""
    overrides = ["protocol=nvs", "baseline=copy_target", "protocol.resolution=64", "limit=1", f"out={tmp_path}"]
    job = planned_job(overrides)
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
    job = planned_job([*overrides, "limit=1", f"out={tmp_path}"])
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
    job.folder.save_renders_card(method.card, TargetPose.JOINT)
    saved = SavedOptions(name="saved", dir=str(job.folder.path / "renders"), target_pose=None)
    assert Saved(saved, "cpu").card.score_region == "right_half", "renders scored later are scored on the same half"
