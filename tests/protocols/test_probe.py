"""probe: what small heads can read from pose codes, what they cannot, and on which scenes that is measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor

from baselines.controls.cards import ControlOptions
from baselines.controls.copies import CopyTarget, Static
from baselines.controls.warping import Warp
from evalkit.card import Card, Need, PoseKind, TargetPose
from evalkit.config.compose import component_settings
from evalkit.config.grammar import merged
from evalkit.config.validation import parse
from evalkit.data.dataset import ClipShape, SequenceInfo
from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import ProceduralOptions
from evalkit.errors import UserError
from evalkit.geometry.se3 import invert
from evalkit.method import Method, PoseCode
from evalkit.metrics.pose_scores import pose_scores
from evalkit.oracles.oracle import ClipLocation, Estimate
from evalkit.pixels import Preprocess
from evalkit.protocol import Arrays, Loaded, Sample, Summary
from evalkit.registry import Group
from evalkit.run.store import table
from evalkit.training.pose_loss import RelativePoses
from evalkit.views import Cameras, Frames, Views
from protocols.probe.heads import rescaled
from protocols.probe.inputs import standardised, thumbnails
from protocols.probe.nearest_rotation import nearest_rotation
from protocols.probe.options import ProbeOptions, Rescale
from protocols.probe.other_clips import compared, mean_over_seeds, numbers_of, with_reference
from protocols.probe.paired import paired
from protocols.probe.protocol import Probe
from protocols.probe.scene_split import split_scenes
from protocols.shared.projection import projected

OPTIONS = ControlOptions(name="control")
VERSIONS = ("probe", "probe@xfactor", "probe@rayzer")
AUC, SHARE = "auc_exact_signed@20", "others_beaten"
SMALL = {"resolution": 32, "context": 3, "target": 2, "clips": 2}


class Planted:
    """Grey frames along smooth random paths, as many as we like, each path in a unit of length of its own."""

    provides = frozenset({Need.CAMERAS})
    clip_shape = ClipShape(span=(24, 48))

    def __init__(self, scenes: int) -> None:
        self.names = [f"scene-{i:02d}" for i in range(scenes)]

    def sequences(self) -> list[SequenceInfo]:
        return [SequenceInfo(name, name, ((0, 97),)) for name in self.names]

    def frames(self, sequence: str, numbers: Sequence[int], preprocess: Preprocess) -> Frames:
        images = torch.full((len(numbers), 3, 16, 16), 0.5)
        return Frames(images, tuple(numbers), Cameras(wobbly(int(sequence[-2:]))[list(numbers)], None))

    def digest(self) -> str:
        return "planted"


class Arcs(Planted):
    """Grey frames along arcs to the left or to the right, more or less up or down."""

    def frames(self, sequence: str, numbers: Sequence[int], preprocess: Preprocess) -> Frames:
        random = np.random.default_rng(int(sequence[-2:]))
        time = torch.linspace(0, 1, 97, dtype=torch.float64)[list(numbers)]
        side, tilt = random.choice([-1.0, 1.0]), random.uniform(-0.9, 0.9)
        w2c = torch.eye(4, dtype=torch.float64).repeat(len(numbers), 1, 1)
        w2c[:, :3, 3] = -time[:, None] * torch.tensor([side * math.cos(tilt), math.sin(tilt), 0.0])
        images = torch.full((len(numbers), 3, 16, 16), 0.5)
        return Frames(images, tuple(numbers), Cameras(w2c, None))


def wobbly(scene: int) -> Tensor:
    random = np.random.default_rng(scene)
    time = np.linspace(0, 0.7, 97)[:, None]
    waves = [np.sin(2 * np.pi * (k * time + random.random(6))) * random.standard_normal(6) / k for k in (1, 2)]
    twist = np.sum(waves, axis=0)
    w2c = np.tile(np.eye(4), (97, 1, 1))
    w2c[:, :3, :3] = Rotation.from_rotvec(0.4 * twist[:, :3]).as_matrix()
    w2c[:, :3, 3] = twist[:, 3:] * (0.5 + random.random())
    return torch.from_numpy(w2c)


class LinearMap(Warp):
    """The true pose in a code where no entry is an entry of it; its features say nothing."""

    card = replace(Warp.card, needs=frozenset({Need.CAMERAS}))
    basis = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(1)))[0][:12]

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        cameras = super().encode_poses(views, context).cameras
        assert cameras is not None
        latent = cameras.w2c[..., :3, :].flatten(2).float() @ self.basis + 1
        return PoseCode(latent=latent, features=torch.zeros(*latent.shape[:2], 3))


class OnlyOracle(Planted):
    provides = frozenset[Need]()

    def frames(self, sequence: str, numbers: Sequence[int], preprocess: Preprocess) -> Frames:
        return replace(super().frames(sequence, numbers, preprocess), cameras=None)


class Blind:
    """An oracle that can read every second clip of a batch."""

    def identity(self) -> dict[str, str | int | float | bool]:
        return {"name": "blind"}

    def estimate(
        self, images: Tensor, cameras: Cameras | None, places: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        w2c = torch.stack([wobbly(i)[: images.shape[1]] for i in range(len(images))])
        w2c[1::2] = math.nan
        return Estimate(w2c, tuple("dark" if i % 2 else "" for i in range(len(images))))


def protocol(name: str = "probe", dataset: object = None, seed: int = 0, **changes: object) -> Probe:
    settings_of_version = component_settings(Group.PROTOCOL, name)
    options = parse(ProbeOptions, merged(merged(settings_of_version, SMALL), changes))
    return Probe(options, dataset or Planted(30), Blind(), seed)  # type: ignore[arg-type]


def load(one: Probe) -> list[Loaded]:
    return [Loaded(s, (one.clips.dataset.frames(s.clips[0].sequence, s.clips[0].numbers, one.preprocess),))
            for s in one.samples()]  # fmt: skip


def outcome(one: Probe, method: Method, loaded: Sequence[Loaded], size: int = 4) -> tuple[pd.DataFrame, Arrays]:
    """The rows and the arrays of a run."""
    rows, arrays = [], {}
    for batch in (loaded[i : i + size] for i in range(0, len(loaded), size)):
        scored = one.score(batch, one.predict(batch, method), one.target_pose(method.card))
        for clip, outcome in zip(batch, scored, strict=True):
            head = {"sample": clip.sample.id, "scenes": list(clip.sample.scenes), "status": "ok", "reason": ""}
            rows.append(head | outcome.row)
            arrays[clip.sample.id] = outcome.arrays
    return table(rows), arrays.__getitem__


def summary(one: Probe, method: Method, loaded: Sequence[Loaded], size: int = 4) -> Summary:
    return one.summarise(*outcome(one, method, loaded, size))


def of(result: Summary, *keys: str) -> float:
    return result.metrics[".".join(keys)].mean


@pytest.fixture(scope="module")
def planted() -> Summary:
    one = protocol(dataset=Planted(40))
    return summary(one, LinearMap(OPTIONS, "cpu"), load(one))


@pytest.fixture(scope="module")
def rooms() -> tuple[Probe, list[Loaded]]:
    dataset = ProceduralDataset(ProceduralOptions(count=20, version=1), "cpu")
    one = protocol(dataset=dataset, training={"steps": 120})
    return one, load(one)


def test_a_linear_map_of_the_true_pose_is_read_on_unseen_scenes(planted: Summary) -> None:
    assert of(planted, "latent", "linear", AUC) > 0.97
    assert of(planted, "latent", "linear", "magnitude") > 0.97
    assert 0.5 < of(planted, "latent", "mlp", AUC) < of(planted, "latent", "linear", AUC)  # it overfits 24 scenes
    assert planted.notes == ("train / validation / test: 24 / 8 / 8 scenes, 48 / 16 / 16 clips",)


def test_what_knows_nothing_is_read_at_chance(planted: Summary) -> None:
    floor = of(planted, "constant", "linear", AUC)
    assert floor < 0.02
    for source, head in (("noise", "mlp"), ("noise", "linear"), ("pixels", "mlp"), ("features", "mlp")):
        assert of(planted, source, head, AUC) < floor + 0.03
    assert of(planted, "features", "linear", AUC) == pytest.approx(floor, abs=1e-3)


def test_what_ignores_the_clip_beats_half_of_the_others_and_the_truth_beats_all(planted: Summary) -> None:
    for source, head in (("constant", "linear"), ("time", "linear"), ("time", "mlp")):
        assert of(planted, source, head, SHARE) == pytest.approx(0.5, abs=1e-9)
    assert of(planted, "latent", "linear", SHARE) > 0.99 < of(planted, "latent", "mlp", SHARE)
    assert 0.3 < of(planted, "noise", "mlp", SHARE) < 0.7
    share = planted.metrics[f"latent.mlp.{SHARE}"]
    assert (share.n, share.scenes) == (16, 8) and share.high == 1


def test_the_side_is_more_than_time_and_less_than_the_truth() -> None:
    """On arcs that go left or right by various angles."""
    one = protocol(dataset=Arcs(40), training={"steps": 100})
    result = summary(one, LinearMap(OPTIONS, "cpu"), load(one))
    assert of(result, "time", "mlp", SHARE) == pytest.approx(0.5, abs=1e-9)
    assert 0.6 < of(result, "time_and_side", "mlp", SHARE) < 0.9 < of(result, "latent", "linear", SHARE)
    assert of(result, "latent", "linear", f"near_{SHARE}") > of(result, "time_and_side", "linear", f"near_{SHARE}")
    assert result.references["time × one bit"][f"latent.mlp.{SHARE}"] == of(result, "time_and_side", "mlp", SHARE)


def test_a_share_is_that_of_the_errors_against_each_other_clip() -> None:
    """Directly, by the errors of pairs of clips, for the mean of two seeds."""
    rows = table([{"sample": f"clip {i}", "scenes": [f"scene {i // 2}"]} for i in range(8)])
    counts = torch.tensor([[False, True, True, True]]).repeat(8, 1)
    paths = [torch.stack([wobbly(10 * seed + i)[:40:10] for i in range(8)]) for seed in range(3)]
    true, *predicted = (RelativePoses.of(w2c @ invert(w2c[:, :1]), counts) for w2c in paths)
    found = mean_over_seeds([compared(one, true, rows, 0.1) for one in predicted])[SHARE]

    def error(one: Tensor, other: Tensor) -> float:
        scores = pose_scores(one[None], other[None], 0.1)
        return float(torch.maximum(scores.rotation, scores.signed)[scores.long].mean())

    own, others = with_reference(true), [with_reference(one) for one in predicted]
    shares = [
        np.mean([error(w2c[i], own[j]) > error(w2c[i], own[i]) for j in range(8) if j // 2 != i // 2])
        for w2c in others
        for i in range(8)
    ]
    assert numbers_of({SHARE: found})[SHARE] == pytest.approx(np.mean(shares))


def test_the_paired_difference_of_two_shares_is_that_of_their_summaries() -> None:
    one = protocol(dataset=Planted(20), training={"steps": 20})
    loaded = load(one)
    runs = [outcome(one, method, loaded) for method in (LinearMap(OPTIONS, "cpu"), Static(OPTIONS, "cpu"))]
    summaries = [one.summarise(*run) for run in runs]
    compared_runs = paired(*runs, one.options.model_dump(mode="json"))
    for key in (f"latent.mlp.{SHARE}", f"latent.linear.near_{SHARE}", "latent.linear.skill"):
        expected = summaries[0].metrics[key].mean - summaries[1].metrics[key].mean
        assert compared_runs[key].difference.mean == pytest.approx(expected)
    assert not any(key.startswith("features") for key in compared_runs), "only one of both has features"


def test_seeds_differ_and_their_spread_stands_beside_the_interval(planted: Summary) -> None:
    spread, mean = planted.metrics[f"latent.mlp.{AUC}|seeds"], planted.metrics[f"latent.mlp.{AUC}"]
    assert 0 < spread.mean < 0.1 and spread.n == 3
    assert mean.low < mean.mean < mean.high and (mean.n, mean.scenes) == (16, 8)
    assert {column.key for column in protocol().columns} <= set(planted.metrics)


def test_controls_stand_under_the_columns_of_the_latent(planted: Summary) -> None:
    lines = planted.references
    assert list(lines) == ["raw pixels", "random features (16)", "constant pose", "time", "time × one bit"]
    assert lines["raw pixels"][f"latent.mlp.{AUC}"] == of(planted, "pixels", "mlp", AUC)
    assert lines["constant pose"][f"latent.mlp.{AUC}"] == of(planted, "constant", "linear", AUC)


def test_raw_pixels_of_rooms_lie_between_noise_and_the_truth(rooms: tuple[Probe, list[Loaded]]) -> None:
    result = summary(rooms[0], Warp(OPTIONS, "cpu"), rooms[1])
    assert of(result, "latent", "linear", AUC) > 0.97
    noise, pixels, truth = (of(result, source, "mlp", "magnitude") for source in ("noise", "pixels", "latent"))
    assert noise + 0.05 < pixels < truth - 0.2


def test_static_is_the_constant_pose_and_copied_pixels_are_hardly_more(rooms: tuple[Probe, list[Loaded]]) -> None:
    one, loaded = protocol(dataset=rooms[0].clips.dataset, width=64, training={"steps": 30}), rooms[1]
    static = summary(one, Static(OPTIONS, "cpu"), loaded)
    assert of(static, "latent", "linear", AUC) == pytest.approx(of(static, "constant", "linear", AUC), abs=5e-3)
    copied = summary(one, CopyTarget(OPTIONS, "cpu"), loaded)
    assert of(copied, "latent", "mlp", AUC) < 0.2
    assert copied.notes[1] == "latent: 3072 numbers a view, projected to 64"


def test_batches_and_order_of_samples_change_no_bit() -> None:
    one = protocol(dataset=Planted(12), training={"steps": 20})
    loaded = load(one)
    first = summary(one, LinearMap(OPTIONS, "cpu"), loaded)
    again = summary(one, LinearMap(OPTIONS, "cpu"), loaded[::-1], size=7)
    assert repr(first) == repr(again)
    other = summary(protocol(dataset=Planted(12), seed=1, training={"steps": 20}), LinearMap(OPTIONS, "cpu"), loaded)
    assert of(first, "latent", "mlp", AUC) != of(other, "latent", "mlp", AUC)


def test_distances_need_one_unit_unless_they_are_rescaled(planted: Summary) -> None:
    """A code knows its clip in the data's unit; RayZer's distances, as we read them, are in the clip's own."""
    one = protocol("probe@rayzer", Planted(24), training={"steps": 150})
    result = summary(one, LinearMap(OPTIONS, "cpu"), load(one))
    assert of(planted, "latent", "linear", "distance@0.1") > 0.97
    assert of(result, "latent", "linear", "distance@0.1") < 0.9
    assert of(result, "latent", "linear", "rotation@10") > 0.97


@pytest.mark.parametrize("name", VERSIONS)
def test_each_version_prints_numbers_that_it_has(name: str) -> None:
    one = protocol(name, training={"steps": 5})
    result = summary(one, LinearMap(OPTIONS, "cpu"), load(one))
    assert all(column.key in result.metrics for column in one.columns if not column.key.startswith("cameras."))
    assert not any(key.startswith("cameras.") for key in result.metrics)  # a latent has none


def test_cameras_are_also_scored_as_they_are_whatever_their_unit() -> None:
    class FarAway(Warp):
        """The true cameras, in a unit of its own for each clip; one in three is turned by 15 degrees."""

        card = LinearMap.card

        def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
            cameras = super().encode_poses(views, context).cameras
            assert cameras is not None
            w2c = cameras.w2c.clone()
            w2c[..., :3, 3] *= torch.arange(3, 3 + len(w2c))[:, None, None]
            turn = torch.from_numpy(Rotation.from_rotvec([0, 0, math.radians(15)]).as_matrix())
            w2c[:, 0, :3, :3] = turn.to(w2c) @ w2c[:, 0, :3, :3]
            return PoseCode(cameras=Cameras(w2c, None))

    one = protocol("probe@rayzer", context=3, target=1, training={"steps": 5})
    result = summary(one, FarAway(OPTIONS, "cpu"), load(one))
    assert of(result, "cameras", "direct", "rotation@10") == pytest.approx(2 / 3)
    assert of(result, "cameras", "direct", "rotation@20") == of(result, "cameras", "direct", "distance@0.1") == 1
    assert of(result, "latent", "mlp", "distance@0.1") < 0.9
    assert all(column.key in result.metrics for column in one.columns if "features" not in column.key)


def test_clips_that_the_oracle_cannot_read_are_counted_and_left_out() -> None:
    one = protocol(dataset=OnlyOracle(30), truth="oracle", training={"steps": 5})
    result = summary(one, Static(OPTIONS, "cpu"), load(one), size=4)
    assert result.counts == {"truth unknown": 30}
    assert result.metrics[f"latent.mlp.{AUC}"].n < 12


def test_no_cameras_and_too_few_scenes_are_said_in_one_line() -> None:
    with pytest.raises(UserError, match=r"this dataset has no cameras; type protocol.truth=oracle"):
        protocol(dataset=OnlyOracle(30))
    with pytest.raises(UserError, match=r"the dataset has 4, expected 5 or more"):
        protocol(dataset=Planted(4)).samples()
    with pytest.raises(UserError, match=r"three positive fractions"):
        protocol(split=[0.5, 0.5, 0.5])


def test_a_run_limited_to_too_few_scenes_says_so() -> None:
    one = protocol()
    result = summary(one, Static(OPTIONS, "cpu"), load(one)[:3])
    assert not result.metrics and result.notes == ("no probe: this run has 3 scenes; type limit=5 or more, better 50",)


def test_a_limited_run_has_a_scene_a_clip() -> None:
    planned: list[Sample] = protocol().samples()
    assert len({sample.scenes for sample in planned[:30]}) == 30 and len(planned) == 60


def test_codes_are_taken_from_all_views_and_must_be_finite() -> None:
    class Infinite:
        card = Card("infinite", "", PoseKind.LATENT, (TargetPose.JOINT,))

        def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
            assert views.images.shape[1] == 5 and context.tolist() == [[0, 1, 4]] * len(views.images)
            return PoseCode(latent=torch.full((len(views.images), 5, 2, 2), math.inf))

    one = protocol()
    predictions = one.predict(load(one)[:2], Infinite())  # type: ignore[arg-type]
    assert predictions["latent"].shape == (2, 5, 4) and predictions["latent"].isnan().all()
    assert one.target_pose(Infinite.card) is TargetPose.JOINT and one.target_pose(Warp.card) is TargetPose.GIVEN


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 3))
@settings(max_examples=30, deadline=None)
def test_the_projection_is_the_nearest_rotation(seed: int, spread: float) -> None:
    matrix = np.eye(3) + spread * np.random.default_rng(seed).standard_normal((3, 3))
    rotation = nearest_rotation(torch.from_numpy(matrix)).numpy()
    assert rotation == pytest.approx(Rotation.align_vectors(matrix.T, np.eye(3))[0].as_matrix(), abs=1e-6)
    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_gradient_of_the_projection_is_that_of_finite_differences(sign: float) -> None:
    random = torch.Generator().manual_seed(0)
    matrix = torch.randn(4, 3, 3, generator=random, dtype=torch.float64)
    matrix = (matrix * (sign * torch.linalg.det(matrix)).sign()[:, None, None]).requires_grad_()
    assert torch.autograd.gradcheck(nearest_rotation, matrix)
    at_a_rotation = torch.eye(3, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(nearest_rotation, at_a_rotation)


@given(st.sets(st.text(min_size=1), min_size=5, max_size=60), st.integers(0, 9), st.randoms())
@settings(max_examples=30, deadline=None)
def test_parts_of_a_split_are_disjoint_and_know_no_order(names: set[str], seed: int, random: object) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    split = split_scenes(shuffled, (0.6, 0.2, 0.2), seed)
    parts = (split.train, split.validation, split.test)
    assert all(parts) and sum(map(len, parts)) == len(names) and frozenset().union(*parts) == names
    assert split == split_scenes(sorted(names), (0.6, 0.2, 0.2), seed)


def test_hashing_keeps_inner_products_and_short_codes() -> None:
    codes = torch.randn(6, 50_000, generator=torch.Generator().manual_seed(0)) / 50_000**0.5
    codes[1] += codes[0]
    short = projected(codes, 2048)
    assert short.shape == (6, 2048) and (short @ short.T - codes @ codes.T).abs().max() < 0.15
    assert torch.equal(projected(codes, 50_000), codes)
    assert torch.allclose(projected(2 * codes - 1, 2048), 2 * short - projected(torch.ones(50_000), 2048), atol=1e-4)


def test_inputs_are_standardised_on_the_training_views_alone() -> None:
    inputs = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(0)) * 5 + 3
    inputs[:2, :, 1] = 7.0  # never varies in training
    is_training = torch.tensor([[True] * 3] * 2 + [[False] * 3] * 2)
    scaled = standardised(inputs, is_training)
    assert scaled[:2, :, 0].mean() == pytest.approx(0, abs=1e-6) and (scaled[..., 1] == 0).all()
    assert scaled[:2, :, 0].std(correction=0) == pytest.approx(1, abs=1e-5)


def test_thumbnails_are_averages_less_those_of_the_reference() -> None:
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    small = thumbnails(images, 1, 8)
    assert small.shape == (3, 192) and (small[1] == 0).all()
    assert small[0, 0] == pytest.approx(float(images[0, 0, :4, :4].mean() - images[1, 0, :4, :4].mean()), abs=1e-6)


def test_only_a_signed_scale_explains_a_reversed_trajectory_away() -> None:
    true, counts = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 2, 0]]]), torch.tensor([[False, True, True]])
    off: Callable[[Rescale], float] = lambda how: float((rescaled(-3 * true, true, counts, how) - true).abs().max())  # noqa: E731
    assert off(Rescale.SIGNED) < 1e-6 and off(Rescale.POSITIVE) == pytest.approx(2.6) and off(Rescale.NONE) == 8
