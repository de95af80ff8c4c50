"""interpolation: the path between two cameras, how far along it the truth lies, and what copying scores."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from baselines.controls.cards import ControlOptions
from baselines.controls.constant_motion import NoMotion
from baselines.controls.copies import CopyContext, CopyTarget, FadeContext, Static
from baselines.controls.warping import Warp
from evalkit.card import Card, Need, PoseKind, TargetPose
from evalkit.config.validation import parse
from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import ProceduralOptions
from evalkit.data.procedural.rng import Rng
from evalkit.data.procedural.scenes.paths import TURNTABLE_DISTANCE, turntable_path
from evalkit.errors import Unsupported, UserError
from evalkit.geometry.interpolation import interpolate_motion, slerp
from evalkit.geometry.se3 import camera_centres, invert, motion_exp, relative_to
from evalkit.method import Method, PoseCode, Scene, reference_of
from evalkit.protocol import RENDERS, Loaded, Sample, Summary
from evalkit.run.store import table
from evalkit.views import Cameras, Views, take_views
from protocols.interpolation.options import InterpolationOptions, Mode
from protocols.interpolation.paths import PATHS, interpolate
from protocols.interpolation.protocol import COPIES, Interpolation

OPTIONS = ControlOptions(name="control")


class RayCast:
    """Exact cameras, exact pictures of them: what is left is the interpolation's own error."""

    card = Card(
        name="ray_cast",
        summary="the true world",
        pose=PoseKind.SE3,
        target_poses=(TargetPose.GIVEN,),
        needs=frozenset({Need.CAMERAS}),
    )

    def __init__(self, world: ProceduralDataset, resolution: int) -> None:
        self.world, self.resolution = world, resolution

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        assert views.w2c is not None
        reference = take_views(views.w2c, reference_of(context)[:, None])[:, 0]
        return PoseCode(cameras=Cameras(relative_to(views.w2c, reference), None))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        assert views.w2c is not None
        return [sample.split("#")[0] for sample in views.sample_ids], views.w2c[:, views.w2c.shape[1] // 2]

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        assert poses.cameras is not None
        w2c = poses.cameras.w2c @ scene[1][:, None]
        views = [self.world.view(name, cameras, self.resolution) for name, cameras in zip(scene[0], w2c, strict=True)]
        return torch.stack([frames.images for frames in views])


@cache
def procedural(options: ProceduralOptions) -> ProceduralDataset:
    """Each world is baked once for all tests."""
    return ProceduralDataset(options, "cpu")


def protocol(world: str = "rooms", seed: int = 0, **settings: object) -> Interpolation:
    # cameras of version 1 move at constant speed, which is what interpolation assumes
    dataset = procedural(parse(ProceduralOptions, {"world": world, "count": 3, "version": 1}))
    options = parse(InterpolationOptions, {"resolution": 48, "metrics": ["psnr", "ssim"]} | settings)
    return Interpolation(options, dataset, None, seed)


def load(one: Interpolation) -> list[Loaded]:
    return [
        Loaded(sample, (one.clips.dataset.frames(clip.sequence, clip.numbers, one.preprocess),))
        for sample in one.samples()
        for clip in sample.clips
    ]


def summary(one: Interpolation, batch: Sequence[Loaded], method: Method) -> Summary:
    scored = one.score(batch, one.predict(batch, method), one.target_pose(method.card))
    heads = [{"sample": loaded.sample.id, "scenes": list(loaded.sample.scenes), "status": "ok"} for loaded in batch]
    return one.summarise(table([h | s.row for h, s in zip(heads, scored, strict=True)]), lambda sample: {})


def turntable(count: int, seed: int = 0) -> Tensor:
    """``count`` cameras of one revolution, w2c [1, count, 4, 4]."""
    return torch.from_numpy(turntable_path(Rng("turn", seed), count))[None]


def odd_between_even(w2c: Tensor, mode: Mode, predicted: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Every second camera put back between its neighbours: the true ones, and where they were put."""
    context, target = w2c[:, ::2], w2c[:, 1:-1:2]
    left = torch.arange(target.shape[1])[None]
    fraction = PATHS[mode].fraction(context, left, target)
    given = PoseCode(cameras=Cameras(context if predicted is None else predicted[:, ::2], None))
    placed = interpolate(given, left, fraction, mode).cameras
    assert placed is not None
    return target, placed.w2c


@pytest.mark.parametrize("mode", Mode)
def test_between_exact_cameras_of_a_turntable_lies_the_exact_camera(mode: Mode) -> None:
    """Both paths are the circle; a straight line between the centres would miss it by the sagitta."""
    w2c = turntable(25)
    true, placed = odd_between_even(w2c, mode)
    torch.testing.assert_close(placed, true, rtol=0, atol=1e-5)
    ends = camera_centres(w2c[:, ::2])
    chord = (ends[:, :-1] + ends[:, 1:]) / 2
    sagitta = (chord - camera_centres(true)).norm(dim=-1)
    height = camera_centres(w2c)[0, 0, 2]
    circle = math.sqrt(TURNTABLE_DISTANCE**2 - float(height) ** 2)
    assert sagitta[0].numpy() == pytest.approx(circle * (1 - math.cos(2 * math.pi / 25)))


def test_on_a_turntable_the_sphere_forgives_what_the_geodesic_repeats() -> None:
    """Predicted centres off by 5 %: the sphere is fitted to all of them, the geodesic believes each neighbour."""
    w2c = turntable(25)
    noise = 0.05 * TURNTABLE_DISTANCE * torch.randn(25, 3, generator=torch.Generator().manual_seed(0)).double()
    predicted = w2c.clone()
    predicted[0, :, :3, 3] += noise
    off = {}
    for mode in Mode:
        true, placed = odd_between_even(w2c, mode, predicted)
        off[mode] = float((camera_centres(placed) - camera_centres(true)).norm(dim=-1).mean())
    assert off[Mode.SPHERE] < 0.5 * off[Mode.SE3]


def test_the_coefficient_of_a_camera_on_the_path_is_where_it_stands() -> None:
    random = torch.Generator().manual_seed(1)
    twists = torch.randn(2, 4, 6, generator=random, dtype=torch.float64)
    context = motion_exp(0.8 * twists)
    left, fraction = torch.tensor([[0, 1, 2], [2, 0, 1]]), torch.rand(2, 3, generator=random, dtype=torch.float64)
    start, end = take_views(context, left), take_views(context, left + 1)
    on_path = interpolate_motion(start, end, fraction)
    torch.testing.assert_close(PATHS[Mode.SE3].fraction(context, left, on_path), fraction, rtol=0, atol=1e-6)
    rotation = slerp(invert(start)[..., :3, :3], invert(end)[..., :3, :3], fraction)
    turned = torch.eye(4, dtype=torch.float64).repeat(2, 3, 1, 1)
    turned[..., :3, :3] = rotation.mT
    torch.testing.assert_close(PATHS[Mode.SPHERE].fraction(context, left, turned), fraction)


def test_the_coefficient_is_the_nearest_of_all_on_the_path() -> None:
    """Off the path no other fraction comes nearer, by a plain search over a fine grid."""
    random = torch.Generator().manual_seed(2)
    context = motion_exp(0.8 * torch.randn(1, 2, 6, generator=random, dtype=torch.float64))
    target = motion_exp(0.3 * torch.randn(1, 1, 6, generator=random, dtype=torch.float64))
    left = torch.zeros(1, 1, dtype=torch.long)
    fraction = float(PATHS[Mode.SE3].fraction(context, left, target))
    centres = camera_centres(context)[0]
    wide, grid = (centres[0] - centres[1]).norm(), torch.linspace(0, 1, 10001, dtype=torch.float64)
    path = interpolate_motion(context[0, 0].expand(10001, 4, 4), context[0, 1].expand(10001, 4, 4), grid)
    apart = (camera_centres(path) - camera_centres(target[0])).norm(dim=-1) / wide
    trace = (path[:, :3, :3] @ target[0, 0, :3, :3].mT).diagonal(dim1=-2, dim2=-1).sum(-1)
    distance = apart**2 + torch.acos((trace - 1) / 2) ** 2
    assert fraction == pytest.approx(float(grid[distance.argmin()]), abs=1e-4)


def test_a_camera_that_never_moved_has_a_path_of_one_point() -> None:
    constant = torch.eye(4, dtype=torch.float64).repeat(1, 3, 1, 1)
    for mode in Mode:
        true, placed = odd_between_even(constant, mode)
        torch.testing.assert_close(placed, true)


@pytest.mark.parametrize("world", ["rooms", "orbits"])
def test_interpolating_exact_cameras_beats_copying(world: str) -> None:
    one = protocol(world)
    result = summary(one, load(one), Warp(OPTIONS, "cpu"))
    for metric in ("psnr", "ssim"):
        assert result.metrics[metric].mean > result.metrics[f"copy_{metric}"].mean
        reference = result.references["copying the nearest rendered view"]
        assert reference[metric] == result.metrics[f"copy_{metric}"].mean


@pytest.mark.parametrize("mode", Mode)
def test_on_a_turntable_exact_cameras_give_the_target_itself(mode: Mode) -> None:
    one = protocol("turntable", mode=mode)
    world = one.clips.dataset
    assert isinstance(world, ProceduralDataset)
    batch = load(one)
    metrics = summary(one, batch, RayCast(world, 48)).metrics
    assert metrics["psnr"].mean > 50 > 25 > metrics["copy_psnr"].mean


def test_copies_are_the_nearest_views_at_their_own_poses() -> None:
    one = protocol("turntable", mode="sphere")
    world, batch = one.clips.dataset, load(one)
    assert isinstance(world, ProceduralDataset)
    predicted = one.predict(batch, RayCast(world, 48))
    for i, loaded in enumerate(batch):  # a turntable turns at constant speed: nearest by azimuth is nearest in time
        clip, frames = loaded.sample.clips[0], loaded.frames[0]
        for t, number in enumerate(clip.target):
            nearest = min(clip.context, key=lambda view, number=number: (abs(view - number), view))
            gaps = sorted(abs(view - number) for view in clip.context)
            if gaps[0] < gaps[1]:
                view = frames.images[clip.numbers.index(nearest)]
                assert (predicted[COPIES][i, t] - view).abs().mean() < 1e-4


def test_the_method_never_sees_a_target() -> None:
    one = protocol()
    batch = load(one)

    class Spy(Warp):
        def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
            self.views, self.context = views, context
            return super().encode_poses(views, context)

    spy = Spy(OPTIONS, "cpu")
    one.predict(batch, spy)
    own = [loaded.frames[0].images[list(loaded.sample.clips[0].context_positions)] for loaded in batch]
    assert torch.equal(spy.views.images, torch.stack(own))
    assert spy.context.tolist() == [[0, 1, 2, 3, 4, 5]] * len(batch)


def test_latents_are_refused_unless_the_straight_line_is_asked_for() -> None:
    with pytest.raises(Unsupported, match=r"'copy_target' has latent poses.*protocol\.latent=linear"):
        protocol().target_pose(CopyTarget.card)
    one = protocol(latent="linear")
    assert one.target_pose(CopyTarget.card) is TargetPose.INTERPOLATED
    batch = load(one)
    faded = one.predict(batch, CopyTarget(OPTIONS, "cpu"))
    clip, images = batch[0].sample.clips[0], batch[0].frames[0].images
    before = max(i for i in clip.context_positions if i < clip.target_positions[0])
    after = min(i for i in clip.context_positions if i > clip.target_positions[0])
    weight = faded["fraction"][0, 0].float()
    cross_fade = (1 - weight) * images[before] + weight * images[after]
    torch.testing.assert_close(faded[RENDERS][0, 0], cross_fade)
    for method in (CopyContext(OPTIONS, "cpu"), Static(OPTIONS, "cpu")):
        assert summary(one, batch, method).metrics["psnr"].mean > 0


def test_equal_poses_stay_equal_whatever_the_mode() -> None:
    for mode in Mode:
        one = protocol(mode=mode)
        metrics = summary(one, load(one), NoMotion(OPTIONS, "cpu")).metrics
        assert metrics["psnr"].mean == metrics["copy_psnr"].mean


def planned(tmp_path: Path, target: list[int]) -> Sample:
    (tmp_path / "mine.json").write_text(json.dumps({"rooms-test-0000": {"context": [4, 20, 30], "target": target}}))
    return protocol(index=str(tmp_path / "mine.json")).samples()[0]


def test_a_target_outside_of_its_context_is_planned_as_a_failure(tmp_path: Path) -> None:
    assert "target frame 31 does not lie between" in planned(tmp_path, [10, 31]).problem
    assert planned(tmp_path, [4, 20, 25, 30]).problem == ""


def test_a_target_that_is_a_context_frame_is_put_where_it_was_seen(tmp_path: Path) -> None:
    planned(tmp_path, [4, 20, 30])
    one = protocol(index=str(tmp_path / "mine.json"))
    predicted = one.predict(load(one), Warp(OPTIONS, "cpu"))
    assert predicted["fraction"][0].numpy() == pytest.approx([0.0, 0.0, 1.0], abs=1e-6)
    assert (predicted[RENDERS] - predicted[COPIES]).abs().max() < 1e-2


def test_scores_depend_on_nothing_but_the_sample() -> None:
    one, method = protocol(), Warp(OPTIONS, "cpu")
    batch = load(one)
    together = one.predict(batch, method)
    for i, loaded in enumerate(batch):
        alone = one.predict([loaded], method)
        assert all(torch.equal(alone[key][0], together[key][i]) for key in together)
    assert protocol().samples() == one.samples() != protocol(seed=1).samples()


def test_without_true_cameras_there_is_no_coefficient() -> None:
    one = protocol()
    blind = ProceduralDataset(one.clips.dataset.options, "cpu")  # type: ignore[attr-defined]
    blind.provides = frozenset()  # type: ignore[misc]
    with pytest.raises(UserError, match="coefficients from true cameras"):
        Interpolation(one.options, blind, None, 0)


def test_off_the_path_exact_poses_are_exact_and_the_clock_gains_nothing() -> None:
    one = protocol(world="orbits", latent="linear")
    batch, world = load(one), one.clips.dataset
    assert isinstance(world, ProceduralDataset)
    exact = one.score(batch, one.predict(batch, RayCast(world, 48)), TargetPose.GIVEN)
    assert min(scored.arrays["off_path_psnr"].min() for scored in exact) > 60
    for cheat in (CopyTarget(OPTIONS, "cpu"), FadeContext(OPTIONS, "cpu"), Static(OPTIONS, "cpu")):
        for scored in one.score(batch, one.predict(batch, cheat), TargetPose.INTERPOLATED):
            assert scored.row["off_path_gain"] <= 1e-6 and scored.row["gain"] <= 1.0
    warp = one.score(batch, one.predict(batch, Warp(OPTIONS, "cpu")), TargetPose.INTERPOLATED)
    assert min(float(scored.row["off_path_gain"]) for scored in warp) > 0


def test_off_the_path_does_not_depend_on_batch_or_order() -> None:
    one, method = protocol(), Warp(OPTIONS, "cpu")
    batch = load(one)
    together = one.score(batch, one.predict(batch, method), TargetPose.INTERPOLATED)
    backwards = [
        one.score([loaded], one.predict([loaded], method), TargetPose.INTERPOLATED)[0] for loaded in batch[::-1]
    ]
    assert [scored.row for scored in together] == [scored.row for scored in backwards[::-1]]


def test_rayzers_version_has_no_views_off_the_path() -> None:
    one = protocol(version="rayzer")
    batch = load(one)[:1]
    (scored,) = one.score(batch, one.predict(batch, Warp(OPTIONS, "cpu")), TargetPose.INTERPOLATED)
    assert "off_path_gain" not in scored.row and one.columns[0].key == "psnr"
