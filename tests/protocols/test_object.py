"""object: whose cameras a target is rendered at, what counts as reconstructed, and that failing never pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor

from baselines.controls.cards import ControlOptions
from baselines.controls.constant_motion import NoMotion
from baselines.controls.copies import CopyContext, CopyTarget, MeanContext, Static
from baselines.controls.warping import ShuffledPoses, Warp
from evalkit.card import Card, PoseKind, TargetPose
from evalkit.config.validation import parse
from evalkit.data.dataset import SequenceInfo
from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import ProceduralOptions
from evalkit.errors import SampleError, Unsupported, UserError
from evalkit.geometry.alignment import align_centres
from evalkit.method import Method, PoseCode, Scene
from evalkit.protocol import RENDERS, Loaded, Sample, Summary
from evalkit.run.store import table
from evalkit.seeds import generator
from evalkit.views import Cameras, Views
from protocols.object.columns import CHARGED_PSNR, MASK_IOU, OBJECT_PSNR, as_shown
from protocols.object.options import ObjectOptions
from protocols.object.protocol import NO_BACKGROUND, NO_MASK, NOT_UNPOSED, Object
from protocols.object.silhouette import background_colour, charged_psnr, object_mask, silhouettes
from protocols.object.steering import steer
from protocols.object.truth import Truth, is_unseen, played_backwards
from protocols.object.turn_frames import even_frames, least_steps, uneven_frames
from tests.audit.cheats_object import CHEATS

OPTIONS = ControlOptions(name="control")
OBJECTS, SIZE, TARGETS = 4, 64, 4


def protocol(count: int = OBJECTS, version: Literal[1, 2] = 1, **settings: object) -> Object:
    dataset = ProceduralDataset(ProceduralOptions(world="turntable", count=count, version=version), "cpu")
    even = {"split": "even", "context": 12, "target": TARGETS}
    options = parse(ObjectOptions, {"resolution": SIZE, "metrics": ["psnr"]} | even | settings)
    return Object(options, dataset, None, 0)


def load(one: Object) -> list[Loaded]:
    clips = [(sample, sample.clips[0]) for sample in one.samples()]
    return [
        Loaded(sample, (one.dataset.frames(clip.sequence, clip.numbers, one.preprocess),)) for sample, clip in clips
    ]


@pytest.fixture(scope="module")
def batch() -> list[Loaded]:
    return load(protocol())


def rows(one: Object, batch: Sequence[Loaded], method: Method) -> pd.DataFrame:
    """As the engine does: together, and each alone where that fails."""
    try:
        scored = one.score(batch, one.predict(batch, method), one.target_pose(method.card))
    except SampleError:
        pieces = [[loaded] for loaded in batch]
        scored = [one.score(part, one.predict(part, method), one.target_pose(method.card))[0] for part in pieces]
    heads = [{"sample": loaded.sample.id, "scenes": list(loaded.sample.scenes), "status": "ok"} for loaded in batch]
    return table([head | outcome.row for head, outcome in zip(heads, scored, strict=True)])


def summary(one: Object, batch: Sequence[Loaded], method: Method) -> Summary:
    return one.summarise(rows(one, batch, method), lambda sample: {})


class Shows(Static):
    """Shows what it was given; where that is not finite it may refuse the object, as ``refuses`` says."""

    def __init__(self, renders: Tensor, refuses: bool = False) -> None:
        self.renders, self.refuses = renders, refuses

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        return PoseCode(latent=torch.zeros(*views.images.shape[:2], 1))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        return [int(sample.rsplit("-", 1)[1]) for sample in views.sample_ids]

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        if self.refuses and self.renders[scene].isnan().any():
            raise SampleError("too hard")
        return self.renders[scene]


class Warped(NamedTuple):
    renders: Tensor
    rows: pd.DataFrame


@pytest.fixture(scope="module")
def warped(batch: list[Loaded]) -> Warped:
    method = Warp(OPTIONS, "cpu")
    renders = protocol().predict(batch, method)[RENDERS]
    shown = Shows(renders)
    shown.card = method.card
    return Warped(renders, rows(protocol(), batch, shown))


class Elsewhere(Warp):
    """Reconstructs perfectly, in a world that is turned, moved and scaled at random, and says nothing of targets."""

    card = replace(Warp.card, name="elsewhere", target_poses=(TargetPose.CONTEXT_ONLY,))
    moved = True

    def __init__(self) -> None:
        self.shown, self.scale = set[tuple[int, ...]](), torch.ones(0)

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        assert views.w2c is not None
        self.shown.add(tuple(views.images.shape[:2]))
        rngs = [generator("elsewhere", sample) for sample in views.sample_ids]
        turns = torch.from_numpy(np.stack([Rotation.random(random_state=rng).as_matrix() for rng in rngs]))
        shifts = torch.from_numpy(np.stack([rng.normal(0, 3, 3) for rng in rngs]))
        self.scale = torch.tensor([rng.uniform(0.1, 9) for rng in rngs], dtype=torch.float64)
        return PoseCode(cameras=Cameras(carried(views.w2c, self.scale, turns, shifts), views.intrinsics))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        assert views.depth is not None
        return super().encode_scene(replace(views, depth=views.depth * self.scale[:, None, None, None]), poses)


def carried(w2c: Tensor, scale: Tensor, turn: Tensor, shift: Tensor) -> Tensor:
    """Cameras [B, V, 4, 4] that see the world x -> scale turn x + shift as they saw the old one, but larger."""
    rotation = w2c[..., :3, :3] @ turn.mT[:, None]
    moved = w2c.clone()
    moved[..., :3, :3] = rotation
    moved[..., :3, 3] = scale[:, None, None] * w2c[..., :3, 3] - (rotation @ shift[:, None, :, None])[..., 0]
    return moved


def samples(segments: tuple[tuple[int, int], ...], **settings: object) -> list[Sample]:
    one = protocol(**settings)  # type: ignore[arg-type]
    one.dataset.sequences = lambda: [SequenceInfo("s", "s", segments)]  # type: ignore[method-assign]
    return one.samples()


def test_context_goes_all_around_and_targets_stand_between() -> None:
    one = protocol(count=1, target=12)
    clip, cameras = one.samples()[0].clips[0], load(one)[0].frames[0].cameras
    assert cameras is not None
    forward = cameras.w2c[:, 2, :2].numpy()
    azimuth = np.degrees(np.unwrap(np.arctan2(forward[:, 1], forward[:, 0])))[list(clip.context_positions)]
    gaps = np.abs(np.diff([*azimuth, azimuth[0] + 360]))
    assert len(clip.context) == 12 and np.all(np.abs(gaps - 30) < 5)  # 97 frames do not divide by 12
    assert not set(clip.context) & set(clip.target)
    assert {min(abs(t - c) for c in (*clip.context, 97)) for t in clip.target} == {4}
    assert max(clip.target) > max(clip.context)


def test_an_arc_ends_in_context_and_lies_in_the_longest_run() -> None:
    clip = samples(((0, 20), (30, 91)), closed=False, context=4, target=3)[0].clips[0]
    assert clip.context == (30, 50, 70, 90)
    assert clip.target == (40, 60, 80)
    (short,) = samples(((0, 15), (20, 30)))
    assert short.problem == "s: 15 frames without a jump have no room for context and targets" and not short.clips


@given(st.integers(3, 20), st.integers(1, 40), st.integers(0, 200), st.booleans())
def test_frames_differ_wherever_there_is_room(context: int, target: int, extra: int, closed: bool) -> None:
    gaps = context if closed else context - 1
    length = gaps * (-(-target // gaps) + 1) + (not closed) + extra
    frames = even_frames(5, 5 + length, context, target, closed)
    assert tuple(map(len, frames)) == (context, target)
    assert len({*frames[0], *frames[1]}) == context + target and set(range(5, 5 + length)).issuperset(
        frames[0] + frames[1]
    )


def test_a_perfect_reconstruction_in_its_own_gauge_and_unit_scores_as_the_truth(
    batch: list[Loaded], warped: Warped
) -> None:
    one, method = protocol(), Elsewhere()
    clip_rows = rows(one, batch, method)
    for name in (OBJECT_PSNR, CHARGED_PSNR, MASK_IOU, "psnr"):
        assert clip_rows[name].to_numpy() == pytest.approx(warped.rows[name].to_numpy(), abs=1e-3)
    assert method.shown == {(OBJECTS, 12)}  # the context alone
    assert not clip_rows["handed"].any() and warped.rows["handed"].all()
    assert one.summarise(clip_rows, lambda sample: {}).notes == ()
    assert one.summarise(warped.rows, lambda sample: {}).notes == (NOT_UNPOSED,)


def test_steering_is_exact_for_moved_cameras_and_takes_its_unit_from_all_of_the_context() -> None:
    random = np.random.default_rng(0)
    w2c = torch.eye(4, dtype=torch.float64).repeat(2, 9, 1, 1)
    w2c[..., :3, :3] = torch.from_numpy(Rotation.random(18, random_state=1).as_matrix()).view(2, 9, 3, 3)
    w2c[..., :3, 3] = torch.from_numpy(random.normal(size=(2, 9, 3)))
    turn = torch.from_numpy(Rotation.random(2, random_state=2).as_matrix())
    moved = carried(w2c, torch.tensor([0.2, 5.0]).double(), turn, torch.from_numpy(random.normal(size=(2, 3))))
    true, target = w2c[:, :5], w2c[:, 5:]
    steered, known = steer(Cameras(moved[:, :5], None), true, target)
    assert known.all() and torch.allclose(steered.w2c, moved[:, 5:], atol=1e-12)

    noisy = moved[:, :5].clone()
    noisy[..., :3, 3] += torch.from_numpy(random.normal(0, 0.1, (2, 5, 3)))
    steered, _ = steer(Cameras(noisy, None), true, target)
    unit = [align_centres(*(torch.linalg.inv(w2c_of[i])[:, :3, 3] for w2c_of in (noisy, true))).scale for i in (0, 1)]
    apart = steered.w2c @ torch.linalg.inv(noisy[:, 2:3]), target @ torch.linalg.inv(true[:, 2:3])
    assert torch.allclose(apart[0][..., :3, :3], apart[1][..., :3, :3])
    assert torch.allclose(apart[0][..., :3, 3] * torch.stack(unit)[:, None, None], apart[1][..., :3, 3])

    noisy[0, :, :3, 3] = 0
    noisy[0, :, :3, :3] = torch.eye(3).double()
    again, known = steer(Cameras(noisy, None), true, target)
    assert known.tolist() == [False, True] and again.w2c.isfinite().all()
    assert torch.equal(again.w2c[1], steered.w2c[1])


def test_controls_come_out_where_theory_puts_them(batch: list[Loaded], warped: Warped) -> None:
    one = protocol()
    best = one.summarise(warped.rows, lambda sample: {}).metrics
    assert best["success"].mean >= 0.75
    key = f"{OBJECT_PSNR}|failed=baseline"
    for control, at_most in ((CopyContext, 0.5), (Static, 0.0), (ShuffledPoses, 0.5)):
        metrics = summary(one, batch, control(OPTIONS, "cpu")).metrics
        assert metrics["success"].mean <= at_most
        assert metrics[key].mean < best[key].mean - 3
    no_motion = summary(one, batch, NoMotion(OPTIONS, "cpu"))
    assert no_motion.metrics["success"].mean == 0 and OBJECT_PSNR not in no_motion.metrics
    assert no_motion.counts["not reconstructed, cameras without a similarity"] == OBJECTS
    assert no_motion.metrics[key].mean == pytest.approx(no_motion.references["one colour"][key])


@pytest.mark.parametrize(("how", "reason"), [("refused", "refused"), ("nan", "renders not finite")])
def test_whoever_fails_where_it_is_hard_has_better_successes_and_a_worse_score(
    batch: list[Loaded], warped: Warped, how: str, reason: str
) -> None:
    one = protocol()
    kept = warped.rows.sort_values(OBJECT_PSNR)["sample"].tolist()[-2:]
    hard = torch.tensor([loaded.sample.id not in kept for loaded in batch])
    honest = one.summarise(warped.rows, lambda sample: {}).metrics
    shown = torch.where(hard[:, None, None, None, None], torch.nan, warped.renders)
    picky = rows(one, batch, Shows(shown, how == "refused"))
    assert (picky["failure"] == reason).tolist() == hard.tolist()
    metrics = one.summarise(picky, lambda sample: {}).metrics
    assert metrics["success"].mean == 2 / OBJECTS
    assert metrics[OBJECT_PSNR].mean > honest[OBJECT_PSNR].mean and metrics[OBJECT_PSNR].n == 2
    for name in (OBJECT_PSNR, "psnr"):
        expected = picky[name].where(picky["success"] == 1, picky[f"baseline.{name}"]).mean()
        assert metrics[f"{name}|failed=baseline"].mean == pytest.approx(expected)
        assert metrics[f"{name}|failed=baseline"].mean < honest[f"{name}|failed=baseline"].mean


def test_one_colour_is_no_reconstruction_and_scores_what_numpy_says(batch: list[Loaded]) -> None:
    one, truth = protocol(success_margin_db=0.0), Truth.of(batch)
    clip_rows = rows(one, batch, Shows(truth.object_colour))
    assert (clip_rows["success"] == 0).all() and set(clip_rows["failure"]) == {"no better than one colour"}
    for i, loaded in enumerate(batch):
        frames, clip = loaded.frames[0], loaded.sample.clips[0]
        assert frames.depth is not None
        images, depth = frames.images.double().numpy(), frames.depth.numpy()
        context, target = list(clip.context_positions), list(clip.target_positions)
        colour = np.moveaxis(images[context], 1, -1)[np.isfinite(depth[context])].mean(0)
        errors = [(np.moveaxis(images[t], 0, -1)[np.isfinite(depth[t])] - colour) ** 2 for t in target]
        expected = np.mean([-10 * np.log10(error.mean()) for error in errors])
        assert clip_rows[OBJECT_PSNR][i] == pytest.approx(expected, abs=1e-4) == clip_rows[f"baseline.{OBJECT_PSNR}"][i]
        blank = images[context].mean((0, 2, 3))[:, None, None]
        expected = np.mean([-10 * np.log10(((images[t] - blank) ** 2).mean()) for t in target])
        assert clip_rows["baseline.psnr"][i] == pytest.approx(expected, abs=1e-4)
        assert clip_rows["baseline.psnr"][i] > clip_rows["psnr"][i]


def test_without_depth_every_pixel_is_the_objects(batch: list[Loaded]) -> None:
    one = protocol()
    blind = [Loaded(loaded.sample, (replace(loaded.frames[0], depth=None),)) for loaded in batch]
    clip_rows = rows(one, blind, Static(OPTIONS, "cpu"))
    assert clip_rows[OBJECT_PSNR].to_numpy() == pytest.approx(clip_rows["psnr"].to_numpy())
    assert clip_rows[f"baseline.{OBJECT_PSNR}"].to_numpy() == pytest.approx(clip_rows["baseline.psnr"].to_numpy())
    assert clip_rows[CHARGED_PSNR].to_numpy() == pytest.approx(clip_rows["psnr"].to_numpy())
    metrics = one.summarise(clip_rows, lambda sample: {}).metrics
    assert as_shown(CHARGED_PSNR) in metrics and as_shown(MASK_IOU) not in metrics
    assert one.summarise(clip_rows, lambda sample: {}).notes == (NO_MASK, NO_BACKGROUND.format(OBJECTS, OBJECTS))


def test_renders_of_a_failure_score_as_a_failure_again(batch: list[Loaded]) -> None:
    one = protocol(success_margin_db=0.0)
    shown = one.predict(batch, NoMotion(OPTIONS, "cpu"))[RENDERS]
    assert shown.shape == (OBJECTS, TARGETS, 3, SIZE, SIZE)
    assert (rows(one, batch, Shows(shown))["success"] == 0).all()


def test_poses_that_no_camera_can_steer_are_refused_in_one_line() -> None:
    one = protocol()
    with pytest.raises(Unsupported, match="'copy_target' has latent poses, which no camera can steer"):
        one.target_pose(CopyTarget.card)
    joint = Card("se3", "predicts cameras of all views", PoseKind.SE3, (TargetPose.JOINT,))
    assert {one.target_pose(card) for card in (joint, Warp.card, Static.card)} == {TargetPose.GIVEN}


def test_data_without_cameras_are_refused() -> None:
    one = protocol()
    one.dataset.provides = frozenset()
    with pytest.raises(UserError, match="true relative poses"):
        Object(one.options, one.dataset, None, 0)


@given(st.integers(3, 12), st.integers(1, 24), st.integers(0, 200), st.integers(0, 99))
def test_an_uneven_split_is_a_part_with_targets_in_the_middle_half_of_the_gaps(
    context: int, target: int, extra: int, seed: int
) -> None:
    length = int(least_steps(context, target).sum()) + 1 + extra
    part = (0.5, 0.8)
    frames = uneven_frames(5, 5 + length, context, target, part, generator(seed))
    assert tuple(map(len, frames)) == (context, target)
    assert len({*frames[0], *frames[1]}) == context + target
    assert set(range(5, 5 + length)).issuperset(frames[0] + frames[1])
    for number in frames[1]:
        left, right = max(n for n in frames[0] if n < number), min(n for n in frames[0] if n > number)
        assert 4 * min(number - left, right - number) >= right - left
    spanned = frames[0][-1] - frames[0][0] + 1
    assert spanned <= max(0.8 * length + 1, length - extra)


def test_turns_are_partial_uneven_and_some_backwards() -> None:
    one = protocol(count=40, split="uneven", context=6, target=12)
    clips = [sample.clips[0] for sample in one.samples()]
    assert clips == [sample.clips[0] for sample in one.samples()]
    spans = np.array([max(clip.context) - min(clip.context) + 1 for clip in clips])
    assert spans.min() < 60 and spans.max() > 85 and spans.min() >= 48
    steps = np.array([np.diff(clip.context) for clip in clips])
    assert np.median(steps.max(1) / steps.min(1)) > 1.7
    assert 10 < sum(one.is_backwards(sample) for sample in one.samples()) < 30
    assert not any(protocol(count=40).is_backwards(sample) for sample in one.samples())


def test_a_turn_backwards_is_the_same_frames_in_the_other_order(batch: list[Loaded]) -> None:
    forwards, mirrored = batch[0], played_backwards(batch[0])
    clip, there = forwards.sample.clips[0], mirrored.sample.clips[0]
    assert there.numbers == mirrored.frames[0].numbers and list(there.numbers) == sorted(there.numbers)
    for name in ("context_positions", "target_positions"):
        shown = mirrored.frames[0].take(getattr(there, name)).images
        assert torch.equal(shown, forwards.frames[0].take(getattr(clip, name)).images.flip(0))
    again = played_backwards(mirrored)
    assert again.sample == forwards.sample and torch.equal(again.frames[0].images, forwards.frames[0].images)


def test_targets_that_a_context_frame_shows_already_do_not_count() -> None:
    one = protocol(version=2, split="uneven", context=6, target=12)
    loaded = load(one)[0]
    counted = is_unseen(loaded, 10.0)
    clip, cameras = loaded.sample.clips[0], loaded.frames[0].cameras
    assert cameras is not None and 0 < counted.sum() < 12
    turns = Rotation.from_matrix(cameras.w2c[:, :3, :3].numpy())
    for t, counts in zip(clip.target_positions, counted.tolist(), strict=True):
        angles = [np.degrees((turns[t] * turns[c].inv()).magnitude()) for c in clip.context_positions]
        assert counts == (min(angles) >= 10)
    (row,) = rows(one, [loaded], Static(OPTIONS, "cpu")).to_dict("records")
    assert row["n_target"] == counted.sum()
    with pytest.raises(SampleError, match="no target is turned 181 degrees"):
        protocol(split="uneven", context=6, unseen_deg=181.0).predict([loaded], Static(OPTIONS, "cpu"))


@given(st.floats(0.0, 1.0), st.integers(0, 99))
def test_painting_the_background_never_pays(colour: float, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    truth, render = torch.ones(2, 1, 3, 16, 16)
    mask = torch.zeros(1, 16, 16, dtype=torch.bool)
    mask[:, 4:12, 4:12] = True
    truth[:, :, 4:12, 4:12], render[:, :, 4:12, 4:12] = torch.rand(2, 1, 3, 8, 8, generator=random)
    painted = torch.where(mask[:, None], render, colour)
    score = charged_psnr(render, truth, mask)
    inside = ((render - truth)[..., 4:12, 4:12] ** 2).double().mean()
    assert float(score) == pytest.approx(float(-10 * inside.log10()), abs=1e-4)
    assert charged_psnr(painted, truth, mask) <= score


def test_a_background_is_known_where_it_is_of_one_colour_and_silhouettes_are_read_from_it(batch: list[Loaded]) -> None:
    frames, white = batch[0].frames[0], torch.ones(3)
    assert torch.equal(background_colour(frames), white)
    mask = object_mask(frames)
    assert torch.equal(object_mask(replace(frames, depth=None, mask=mask)), mask)
    black = replace(frames, images=torch.where(mask[:, None], frames.images, 0.0))
    assert torch.equal(background_colour(black), torch.zeros(3))
    noise = torch.rand(frames.images.shape, generator=torch.Generator().manual_seed(0))
    assert background_colour(replace(frames, images=noise)).isnan().all()
    assert background_colour(replace(frames, depth=torch.ones_like(mask).float())).isnan().all()
    read = silhouettes(black.images[None], torch.zeros(1, 3))[0]
    assert (read == mask).double().mean() > 0.98


def test_guessed_turns_and_painted_backgrounds_stand_far_below_warp() -> None:
    one = protocol(count=6, version=2, split="uneven", context=6, target=6, resolution=32)
    batch = [loaded for loaded in load(one) if is_unseen(loaded, 10.0).any()]
    names = ("equal steps", "equal steps, filled", "equal steps, centred", "static, veiled", "two nearest cameras")
    tried = {"mean_context": MeanContext(OPTIONS, "cpu")} | {name: CHEATS[name][0] for name in names}
    found = {name: summary(one, batch, method).metrics for name, method in tried.items()}  # type: ignore[arg-type]
    warped = summary(one, batch, Warp(OPTIONS, "cpu"))
    first, iou = one.columns[0].key, as_shown(MASK_IOU)
    assert all(metrics[first].mean < warped.metrics[first].mean - 2 for metrics in found.values())
    assert all(found[name][iou].mean < 0.5 for name in ("equal steps", "equal steps, filled", "static, veiled"))
    assert warped.metrics[iou].mean > 0.75 and 0.8 < warped.references["true images"][iou] < 1
    blind = CHEATS["thumbnail of 4"][0]
    assert set(rows(one, batch, blind)["failure"]) == {"renders not finite"}  # type: ignore[arg-type]
