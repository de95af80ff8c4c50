"""object: whose cameras a target is rendered at, what counts as reconstructed, and that failing never pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

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
from baselines.controls.copies import CopyContext, CopyTarget, Static
from baselines.controls.warping import ShuffledPoses, Warp
from evalkit.card import Card, Need, PoseKind, TargetPose
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
from protocols.object.columns import OBJECT_PSNR
from protocols.object.options import ObjectOptions
from protocols.object.protocol import NO_DEPTH, NOT_UNPOSED, Object
from protocols.object.steering import steer
from protocols.object.truth import Truth
from protocols.object.turn_frames import frames_around

OPTIONS = ControlOptions(name="control")
OBJECTS, SIZE, TARGETS = 4, 64, 4


def protocol(count: int = OBJECTS, **settings: object) -> Object:
    dataset = ProceduralDataset(ProceduralOptions(world="turntable", count=count, version=1), "cpu")
    options = parse(ObjectOptions, {"resolution": SIZE, "metrics": ["psnr"], "target": TARGETS} | settings)
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
    frames = frames_around(5, 5 + length, context, target, closed)
    assert tuple(map(len, frames)) == (context, target)
    assert len({*frames[0], *frames[1]}) == context + target and set(range(5, 5 + length)).issuperset(
        frames[0] + frames[1]
    )


def test_a_perfect_reconstruction_in_its_own_gauge_and_unit_scores_as_the_truth(
    batch: list[Loaded], warped: Warped
) -> None:
    one, method = protocol(), Elsewhere()
    clip_rows = rows(one, batch, method)
    for name in (OBJECT_PSNR, "psnr"):
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
    one.dataset.provides = one.dataset.provides - {Need.DEPTH}
    blind = [Loaded(loaded.sample, (replace(loaded.frames[0], depth=None),)) for loaded in batch]
    clip_rows = rows(one, blind, Static(OPTIONS, "cpu"))
    assert clip_rows[OBJECT_PSNR].to_numpy() == pytest.approx(clip_rows["psnr"].to_numpy())
    assert clip_rows[f"baseline.{OBJECT_PSNR}"].to_numpy() == pytest.approx(clip_rows["baseline.psnr"].to_numpy())
    assert one.summarise(clip_rows, lambda sample: {}).notes == (NO_DEPTH,)


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
