"""leak: planted leaks are found and measured to size, clean methods pass, and cards are compared with methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from baselines.controls.cards import ControlOptions
from baselines.controls.copies import CopyContext, CopyTarget, Static
from baselines.controls.warping import ShuffledPoses, Warp
from evalkit.card import Card, PoseKind, TargetPose
from evalkit.cli.paired import _only_one
from evalkit.config.validation import parse
from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import ProceduralOptions
from evalkit.errors import Unsupported
from evalkit.method import Method, PoseCode, Scene
from evalkit.protocol import Loaded, Summary
from evalkit.run.store import Row, table
from evalkit.views import Cameras, Views, take_views
from protocols.leak.changes import pose_change, relative_change
from protocols.leak.checks import rigidity
from protocols.leak.options import LeakOptions
from protocols.leak.protocol import Leak
from protocols.leak.readable import Targets, kept_arrays, pose_numbers, readable
from protocols.leak.ridge import INTERCEPT, PENALTIES, Ridge, linear
from protocols.shared.transfer import Pair

OPTIONS = ControlOptions(name="control")
CONTROLS: tuple[type[Method], ...] = (CopyContext, Static, ShuffledPoses, CopyTarget, Warp)
PREDICTS = (TargetPose.CONTEXT_ONLY, TargetPose.TRANSFER)
SHARE = 0.005  # the planted leak


def protocol(**settings: object) -> Leak:
    dataset = ProceduralDataset(ProceduralOptions(count=4), "cpu")
    return Leak(parse(LeakOptions, {"resolution": 32} | settings), dataset, None, 0)


def load(one: Leak) -> list[Loaded]:
    return [
        Loaded(sample, tuple(one.dataset.frames(c.sequence, c.numbers, one.preprocess) for c in sample.clips))
        for sample in one.samples()
    ]


def rows(one: Leak, batch: Sequence[Loaded], method: Method) -> list[Row]:
    with torch.no_grad():
        predictions = one.predict(batch, method)
        scored = one.score(batch, predictions, one.target_pose(method.card))
    assert not any(values.isnan().any() for values in predictions.values())
    heads = [{"sample": loaded.sample.id, "scenes": list(loaded.sample.scenes), "status": "ok"} for loaded in batch]
    return [head | outcome.row for head, outcome in zip(heads, scored, strict=True)]


def summary(one: Leak, batch: Sequence[Loaded], method: Method) -> Summary:
    return one.summarise(table(rows(one, batch, method)), lambda sample: {})


def summary_of_many(one: Leak, batch: Sequence[Loaded], method: Method) -> Summary:
    with torch.no_grad():
        predictions = one.predict(batch, method)
        scored = one.score(batch, predictions, one.target_pose(method.card))
    heads = [{"sample": loaded.sample.id, "scenes": list(loaded.sample.scenes), "status": "ok"} for loaded in batch]
    arrays = {loaded.sample.id: outcome.arrays for loaded, outcome in zip(batch, scored, strict=True)}
    for loaded in batch:
        size = sum(values.nbytes for values in arrays[loaded.sample.id].values())
        assert size <= one.kept_bytes(loaded.sample)
    return one.summarise(
        table([head | outcome.row for head, outcome in zip(heads, scored, strict=True)]), arrays.__getitem__
    )


def verdicts(clip_rows: Sequence[Row], test: str) -> set[object]:
    return {row.get(f"{test}.verdict") for row in clip_rows}


@pytest.fixture(scope="module")
def default() -> Leak:
    return protocol()


@pytest.fixture(scope="module")
def clips(default: Leak) -> list[Loaded]:
    return load(default)


def targets_of(views: Views, context: Tensor) -> Tensor | None:
    """The mean [B, 3, H, W] of the views that are not context, if there are such."""
    is_target = torch.ones(views.images.shape[:2], dtype=torch.bool).scatter_(1, context, False)
    if not is_target.any():
        return None
    return torch.stack([images[mask].mean(0) for images, mask in zip(views.images, is_target, strict=True)])


class Clean:
    """A pose is the mean colour of the view; a render is the context, each frame the more, the nearer its colour."""

    card = Card("clean", "predicts each pose from its own view", PoseKind.LATENT, PREDICTS)

    def __init__(self, *sources: TargetPose) -> None:
        self.card = replace(self.card, target_poses=sources or self.card.target_poses)

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        return PoseCode(views.images.mean((-2, -1)))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        return views.images, poses.latent

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        weights = torch.softmax(-100 * torch.cdist(poses.latent, scene[1]), dim=-1)
        return torch.einsum("btc,bcdhw->btdhw", weights, scene[0])


class PosesSeeTargets(Clean):
    """Mixes a little of the mean target colour into the poses of the context."""

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        own, target = super().encode_poses(views, context).latent, targets_of(views, context)
        assert own is not None
        if target is None:
            return PoseCode(own)
        return PoseCode((1 - SHARE) * own + SHARE * target.mean((-2, -1))[:, None])


class SceneSeesTargets(Clean):
    """Remembers the targets behind the interface, and mixes a little of them into the colours of the scene."""

    target: Tensor | None = None

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        target = targets_of(views, context)
        self.target = self.target if target is None else target
        return super().encode_poses(views, context)

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        assert self.target is not None
        return (1 - SHARE) * views.images + SHARE * self.target[:, None], poses.latent


class CamerasSeeTargets(Warp):
    """True cameras, whose translations the mean target colour moves a little."""

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        poses, target = super().encode_poses(views, context), targets_of(views, context)
        assert poses.cameras is not None
        w2c = poses.cameras.w2c.clone()
        if target is not None:
            w2c[..., :3, 3] *= 1 + SHARE * target.mean((1, 2, 3))[:, None, None]
        return PoseCode(cameras=Cameras(w2c, poses.cameras.intrinsics))


@pytest.mark.parametrize("control", CONTROLS)
def test_honest_controls_pass_and_copied_pixels_do_not(
    control: type[Method], default: Leak, clips: list[Loaded]
) -> None:
    clip_rows = rows(default, clips, control(OPTIONS, "cpu"))  # type: ignore[call-arg]
    failed = {key for row in clip_rows for key, value in row.items() if value in ("fail", "depends")}
    assert failed == ({"pixels.verdict"} if control is CopyTarget else set())
    assert control is not CopyTarget or all(row["elsewhere_psnr"] == 100 for row in clip_rows)
    assert control is not Warp or verdicts(clip_rows, "se3") == {"pass"}


@pytest.mark.parametrize("source", [TargetPose.GIVEN, TargetPose.CONTEXT_ONLY])
@pytest.mark.parametrize("leaky", [PosesSeeTargets, SceneSeesTargets])
def test_half_a_percent_of_the_target_in_poses_or_scene_is_found(
    leaky: type[Clean], source: TargetPose, default: Leak, clips: list[Loaded]
) -> None:
    assert verdicts(rows(default, clips, Clean(source)), "targets") == {"pass"}
    clip_rows = rows(default, clips, leaky(source))
    assert verdicts(clip_rows, "targets") == {"fail"}
    note = next(
        line for line in default.summarise(table(clip_rows), lambda sample: {}).notes if line.startswith("targets")
    )
    assert "4 of 4 clips" in note and "VIOLATES THE CARD" in note


def test_half_a_percent_of_the_target_in_cameras_is_found(default: Leak, clips: list[Loaded]) -> None:
    clip_rows = rows(default, clips, CamerasSeeTargets(OPTIONS, "cpu"))
    assert verdicts(clip_rows, "targets") == {"fail"}
    assert all(row["dim.rotation_deg"] == 0 and row["dim.translation"] > 1e-5 for row in clip_rows)


def test_a_leak_is_measured_to_its_size(default: Leak, clips: list[Loaded]) -> None:
    """Of the poses |share (m - m')| / |pose|, of the scene share max |m - m'|, m the mean target before and after."""
    in_poses, in_scene = (
        rows(default, clips, leaky(TargetPose.GIVEN)) for leaky in (PosesSeeTargets, SceneSeesTargets)
    )
    for loaded, pose_row, scene_row in zip(clips, in_poses, in_scene, strict=True):
        pair, count = Pair.of(loaded), len(loaded.sample.clips[0].target)
        own, other = pair.targets.images, pair.b.take(pair.clip_b.target_positions[:count]).images
        context = pair.a.take(pair.clip_a.context_positions).images.mean((-2, -1))
        moved = SHARE * (own.mean((0, 2, 3)) - other.mean((0, 2, 3))).norm() * math.sqrt(len(context))
        pose = ((1 - SHARE) * context + SHARE * own.mean((0, 2, 3))).norm()
        assert pose_row["swap.latent"] == pytest.approx(float(moved / pose), rel=1e-3)
        assert scene_row["swap.render_max"] == pytest.approx(
            SHARE * float((own.mean(0) - other.mean(0)).abs().max()), rel=1e-3
        )


def test_a_leak_past_context_only_poses_is_found(default: Leak, clips: list[Loaded]) -> None:
    """The suite encodes the context alone there: only a memory behind the interface can still carry the target."""
    assert verdicts(rows(default, clips, PosesSeeTargets(*PREDICTS)), "alone") == {"pass"}
    assert verdicts(rows(default, clips, SceneSeesTargets(*PREDICTS)), "alone") == {"fail"}
    assert verdicts(rows(default, clips, Clean(TargetPose.GIVEN)), "alone") == {None}


def test_joint_poses_may_depend_on_targets_as_declared(default: Leak, clips: list[Loaded]) -> None:
    result = summary(default, clips, PosesSeeTargets(TargetPose.JOINT))
    assert result.metrics["targets"].mean == 1
    assert not any("VIOLATES" in line for line in result.notes)
    assert any(
        line.startswith("targets: 4 of 4") and "as declared: the card offers joint poses" in line
        for line in result.notes
    )


def test_a_method_that_takes_targets_alone_meets_them_alone(default: Leak, clips: list[Loaded]) -> None:
    sizes = []

    class Spy(Clean):
        def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
            sizes.append(views.images.shape[1])
            return super().encode_poses(views, context)

    rows(default, clips, Spy(TargetPose.CONTEXT_ONLY))
    assert max(sizes) == 5 + 1
    rows(default, clips, Spy(TargetPose.JOINT))
    assert max(sizes) == 5 + 5


def test_what_joint_poses_gain_is_measured_where_both_are_offered(default: Leak, clips: list[Loaded]) -> None:
    class Crowd(CopyTarget):
        """Shows targets a little darker where it has not seen them all."""

        def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
            return PoseCode(views.images.flatten(2) - 0.1 * (views.images.shape[1] < 9))

    both = rows(default, clips, Crowd(OPTIONS, "cpu"))
    assert all(row["joint_minus_alone"] == pytest.approx(100 - 20, abs=0.5) for row in both)
    assert all("joint_minus_alone" not in row for row in rows(default, clips, Clean()))


def test_half_of_a_picture_in_a_pose_is_found(default: Leak, clips: list[Loaded]) -> None:
    class Half(CopyTarget):
        """Half the target, half the scene at hand."""

        def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
            return views.images.mean(1, keepdim=True)

        def render(self, scene: Scene, poses: PoseCode) -> Tensor:
            assert poses.latent is not None
            return (poses.latent.unflatten(-1, scene.shape[2:]) + scene) / 2

    class Blurred(Half):
        """The mean of the scene's frames, whatever the pose: nearer to anything than a sharp frame is."""

        def render(self, scene: Scene, poses: PoseCode) -> Tensor:
            assert poses.latent is not None
            return scene.mean((-2, -1), keepdim=True).expand(-1, poses.latent.shape[1], -1, *scene.shape[3:])

    assert verdicts(rows(default, clips, Half(OPTIONS, "cpu")), "pixels") == {"fail"}
    assert verdicts(rows(default, clips, Blurred(OPTIONS, "cpu")), "pixels") == {"pass"}
    assert verdicts(rows(default, clips, Clean(TargetPose.GIVEN)), "pixels") == {None}


def test_the_unit_of_length_reaches_only_who_is_given_cameras(default: Leak, clips: list[Loaded]) -> None:
    class Metric(Warp):
        """Has learnt how far cameras usually go."""

        def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
            poses = super().encode_poses(views, context)
            assert poses.cameras is not None
            w2c = poses.cameras.w2c.clone()
            w2c[..., :3, 3] = w2c[..., :3, 3].tanh()
            return PoseCode(cameras=Cameras(w2c, poses.cameras.intrinsics))

    assert verdicts(rows(default, clips, Metric(OPTIONS, "cpu")), "scale") == {"depends"}
    assert {row["scale"] for row in rows(default, clips, Clean())} == {0.0}


def test_matrices_that_are_not_rotations_are_told_by_how_much(default: Leak, clips: list[Loaded]) -> None:
    class Stretched(Warp):
        def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
            poses = super().encode_poses(views, context)
            assert poses.cameras is not None
            stretch = torch.tensor([1.01, 1.01, 1.01, 1.0]).diag()
            return PoseCode(
                cameras=Cameras(poses.cameras.w2c @ stretch.to(poses.cameras.w2c), poses.cameras.intrinsics)
            )

    clip_rows = rows(default, clips, Stretched(OPTIONS, "cpu"))
    assert verdicts(clip_rows, "se3") == {"fail"}
    assert all(row["se3.residual"] == pytest.approx(math.sqrt(3) * (1.01**2 - 1), rel=1e-4) for row in clip_rows)
    assert all(row["se3.determinant"] == pytest.approx(1.01**3 - 1, rel=1e-4) for row in clip_rows)
    assert all("se3" not in row for row in rows(default, clips, Clean()))


def test_a_camera_that_anchors_on_another_view_is_not_the_identity() -> None:
    w2c = torch.eye(4).repeat(1, 3, 1, 1)
    w2c[0, 1:, 0, 3] = torch.tensor([1.0, 2.0])
    assert rigidity(w2c, torch.tensor([0]))["reference"].item() == 0
    assert rigidity(w2c, torch.tensor([1]))["reference"].item() == pytest.approx(0.5)


def test_place_and_number_of_views_are_measured_and_not_held_against_anyone(default: Leak, clips: list[Loaded]) -> None:
    class Placed(Clean):
        """Knows each view's place in the clip, and counts from the clip's mean."""

        def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
            places = torch.arange(views.images.shape[1]).float().expand(len(context), -1)
            latent = places - places.gather(1, context).mean(1, keepdim=True)
            return PoseCode(latent[..., None])

    result = summary(default, clips, Placed())
    assert result.metrics["order"].mean == result.metrics["count"].mean == 1
    assert not any("VIOLATES" in line for line in result.notes)
    steady = summary(default, clips, Clean())
    assert steady.metrics["order"].mean == steady.metrics["count"].mean == 0


def test_views_are_not_taken_from_a_method_that_needs_them_all(default: Leak, clips: list[Loaded]) -> None:
    five = Clean()
    five.card = replace(five.card, context_views=frozenset({5}))
    clip_rows = rows(default, clips, five)
    assert all("count" not in row and "order" in row for row in clip_rows)
    notes = default.summarise(table(clip_rows), lambda sample: {}).notes
    assert "not applicable: se3, count" in notes


def test_noise_is_told_from_a_leak(default: Leak, clips: list[Loaded]) -> None:
    class Noisy(Clean):
        def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
            own = super().encode_poses(views, context).latent
            assert own is not None
            return PoseCode(own + 1e-3 * torch.rand(own.shape, generator=self.random))

        random = torch.Generator().manual_seed(0)

    clip_rows = rows(default, clips, Noisy())
    assert verdicts(clip_rows, "repeat") == {"fail"}
    assert verdicts(clip_rows, "targets") == {"pass"}


def test_a_card_of_the_wrong_kind_is_told(default: Leak, clips: list[Loaded]) -> None:
    lying = Clean()
    lying.card = replace(lying.card, pose=PoseKind.BOTH)
    assert verdicts(rows(default, clips, lying), "kind") == {"fail"}


def test_a_similarity_is_no_change_of_relative_poses() -> None:
    angle = torch.linspace(0, 1, 5)
    w2c = torch.eye(4).repeat(2, 5, 1, 1)
    w2c[..., 0, 0] = w2c[..., 2, 2] = angle.cos()
    w2c[..., 0, 2], w2c[..., 2, 0] = angle.sin(), -angle.sin()
    w2c[..., :3, 3] = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(0))
    moved = w2c @ w2c[:, :1]
    moved[..., :3, 3] *= 3
    a, b = (PoseCode(cameras=Cameras(matrices, None)) for matrices in (w2c, w2c.clone()))
    b.cameras.w2c[..., :3, 3] *= 3  # type: ignore[union-attr]
    fixed, free = pose_change(a, b), pose_change(a, b, free_gauge=True)
    assert fixed["translation"].tolist() == pytest.approx([2.0, 2.0])
    assert max(free["translation"].max().item(), free["rotation_deg"].max().item()) < 1e-5
    assert relative_change(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 0


def test_rows_do_not_depend_on_the_batch(default: Leak, clips: list[Loaded]) -> None:
    together = rows(default, clips, PosesSeeTargets())
    alone = [rows(default, [loaded], PosesSeeTargets())[0] for loaded in clips]
    for a, b in zip(together, alone, strict=True):
        assert a.keys() == b.keys()
        assert {k: v for k, v in a.items() if isinstance(v, str)} == {k: v for k, v in b.items() if isinstance(v, str)}
        numbers = [key for key, value in a.items() if isinstance(value, float)]
        assert [a[key] for key in numbers] == pytest.approx([b[key] for key in numbers], abs=1e-7)


def test_the_nearest_free_frames_take_the_place_of_targets_that_are_context_frames(default: Leak) -> None:
    for sample in default.samples():
        context, target = (set(numbers) for numbers in (sample.clips[0].context, sample.clips[0].target))
        assert len(target) == 5 and not target & context
        assert min(context) < min(target) and max(target) < max(context)
    full = protocol(context=8, target=1, span=[7, 7]).samples()
    assert all("every frame of the window is a context frame" in sample.problem for sample in full)


def test_a_method_that_only_transfers_is_refused(default: Leak) -> None:
    with pytest.raises(Unsupported, match="this protocol takes given, joint, context_only"):
        default.target_pose(replace(Clean.card, target_poses=(TargetPose.TRANSFER,)))


def test_summaries_hold_shares_worst_numbers_and_failed_samples(default: Leak, clips: list[Loaded]) -> None:
    clip_rows = rows(default, clips, CopyTarget(OPTIONS, "cpu"))
    clip_rows[0] = {
        "sample": clip_rows[0]["sample"],
        "scenes": clip_rows[0]["scenes"],
        "status": "failed",
        "reason": "x",
    }
    one = default.summarise(table(clip_rows), lambda sample: {})
    assert one.metrics["pixels"].mean == 1 and one.metrics["pixels"].n == 3
    assert one.metrics["pixels.worst"].mean == max(float(row["pixels"]) for row in clip_rows[1:])  # type: ignore[arg-type]
    assert set(one.references) == {"frames of B"}
    assert default.summarise(pd.DataFrame(clip_rows[:1]), lambda sample: {}).metrics == {}


def test_target_pixels_are_swapped_and_nothing_else(default: Leak, clips: list[Loaded]) -> None:
    calls: list[tuple[Views, Tensor]] = []

    class Spy(Warp):
        def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
            calls.append((views, context))
            return super().encode_poses(views, context)

    rows(default, clips, Spy(OPTIONS, "cpu"))
    views, context = calls[0]
    assert views.depth is not None and views.w2c is not None
    real, repeat, swap, dim, perturb, scale = views.images.chunk(6)
    target = torch.stack([torch.tensor(loaded.sample.clips[0].target_positions) for loaded in clips])
    own = context[: len(clips)]
    assert torch.equal(real, repeat) and torch.equal(real, scale)
    assert torch.equal(take_views(swap, own), take_views(real, own))
    assert torch.equal(take_views(dim, own), take_views(real, own))
    assert torch.equal(take_views(dim, target), take_views(real, target) / 2)
    assert torch.equal(take_views(perturb, own), take_views(real, own))
    other = torch.stack([Pair.of(loaded).b.images[list(loaded.sample.clips[1].target_positions)] for loaded in clips])
    assert torch.equal(take_views(swap, target), other)
    assert 0.015 < (take_views(perturb, target) - take_views(real, target)).abs().max() <= 0.02 + 1e-6
    depth, w2c = views.depth.chunk(6), views.w2c.chunk(6)
    assert torch.equal(take_views(depth[2], own), take_views(depth[0], own))
    assert not torch.equal(take_views(depth[2], target), take_views(depth[0], target))
    assert all(torch.equal(w2c[0], w2c[k]) for k in (1, 2, 3, 4))
    assert torch.allclose(w2c[5][..., :3, 3], 10 * w2c[0][..., :3, 3])
    assert torch.allclose(depth[5], 10 * depth[0])


class Thumbnail(Clean):
    """A pose is the view at 2x2 pixels, written under a random rotation; a render is the mean of the context."""

    side = 2

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        small = adaptive_avg_pool2d(views.images.flatten(0, 1), self.side).flatten(1)
        rotation = torch.linalg.qr(torch.randn(small.shape[1], small.shape[1], generator=seeded(1))).Q
        return PoseCode((small @ rotation).unflatten(0, views.images.shape[:2]))

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        assert poses.latent is not None
        return scene[0].mean(1, keepdim=True).expand(-1, poses.latent.shape[1], -1, -1, -1)


class Blend(Thumbnail):
    """Poses are the order of views; 20 % of targets, remembered behind the interface, are in the renders."""

    memory = torch.empty(0)

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        target = [sorted({*range(views.images.shape[1])} - {*row}) for row in context.tolist()]
        if target[0]:
            self.memory = take_views(views.images, torch.tensor(target))
        return PoseCode(torch.arange(views.images.shape[1]).float().expand(len(context), -1)[..., None])

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        shown = super().render(scene, poses)
        return torch.lerp(shown, self.memory, 0.2) if self.memory.shape == shown.shape else shown


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def many() -> Leak:
    dataset = ProceduralDataset(ProceduralOptions(count=12, world="turntable"), "cpu")
    return Leak(parse(LeakOptions, {"resolution": 16}), dataset, None, 0)


@pytest.fixture(scope="module")
def many_clips(many: Leak) -> list[Loaded]:
    return load(many)


def test_a_thumbnail_in_poses_is_read_and_true_cameras_are_not_taken_for_one(
    many: Leak, many_clips: list[Loaded]
) -> None:
    cheat, honest = (summary_of_many(many, many_clips, method) for method in (Thumbnail(), Warp(OPTIONS, "cpu")))
    assert cheat.metrics["readable@2"].mean > 0.95 and cheat.metrics["readable@2"].low > 0.9
    assert cheat.block == "carries pixels of its targets"
    assert any(line.startswith("THE POSE CARRIES PIXELS") and "at 2x2, tolerance 25 %" in line for line in cheat.notes)
    assert honest.block == "" and all(honest.metrics[f"readable@{side}"].low < 0.1 for side in (1, 2, 4, 8))


def test_a_blend_of_targets_is_found_in_the_renders_alone(many: Leak, many_clips: list[Loaded]) -> None:
    result = summary_of_many(many, many_clips, Blend(*PREDICTS))
    assert result.metrics["bleed"].low > 0.02 and result.metrics["pixels"].mean == 0
    assert result.block == "carries pixels of its targets" and result.notes[0].startswith("bleed: the renders hold")
    assert all(result.metrics[f"readable@{side}"].low < 0.1 for side in (1, 2, 4, 8))


def test_few_clips_tell_nothing(default: Leak, clips: list[Loaded]) -> None:
    result = summary(default, clips, Thumbnail())
    assert not {"readable@2", "bleed"} & set(result.metrics) and result.block == ""
    assert any("too few clips to tell" in line for line in result.notes)


def random_clips(count: int, write: Callable[[Tensor], Tensor]) -> list[dict[str, Tensor]]:
    """Kept arrays of clips of 3 context and 4 target views, whose frames have nothing in common."""
    images = torch.rand(count, 7, 3, 8, 8, generator=seeded(2))
    numbers = [0, 10, 20, 3, 7, 14, 16]
    return [kept_arrays(write(frames), frames, None, numbers) for frames in images]


def targets_with(clips: list[dict[str, Tensor]]) -> Targets:
    return Targets.of(clips, [3] * len(clips), [f"scene {i}" for i in range(len(clips))])


@pytest.mark.parametrize("side", [1, 2, 4])
def test_all_that_is_written_is_read_at_its_own_size(side: int) -> None:
    def write(frames: Tensor) -> Tensor:
        numbers = adaptive_avg_pool2d(frames, side).flatten(1)
        return (3 * torch.randn(numbers.shape[1], generator=seeded(3))).exp() * numbers - 5

    shares = readable(targets_with(random_clips(24, write)))
    assert shares[f"readable@{side}"].mean > 0.95
    assert side == 4 or shares["readable@8"].mean < 0.25


def test_the_pictures_of_other_clips_tell_nothing() -> None:
    clips = random_clips(24, lambda frames: adaptive_avg_pool2d(frames, 2).flatten(1))
    others = [clip | {"pose": other["pose"]} for clip, other in zip(clips, [*clips[1:], clips[0]], strict=True)]
    assert all(share.mean < 0.05 for share in readable(targets_with(others)).values())


def test_a_scene_is_predicted_as_by_a_fit_without_it() -> None:
    inputs, values = torch.randn(2, 12, 4, generator=seeded(4)).double()
    groups = [torch.arange(3 * i, 3 * i + 3) for i in range(4)]
    predictions = Ridge(linear(inputs), groups).predictions(values)
    kernel = linear(inputs) + INTERCEPT
    for penalty, predicted_values in zip(PENALTIES, predictions, strict=True):
        for rows in groups:
            others = torch.tensor([i for i in range(12) if i not in rows.tolist()])
            penalised = kernel[others][:, others] + penalty * torch.eye(9)
            expected = kernel[rows][:, others] @ torch.linalg.solve(penalised, values[others])
            torch.testing.assert_close(predicted_values[rows], expected)


def test_numbers_of_poses_are_all_but_features() -> None:
    @dataclass(frozen=True)
    class Own(PoseCode):
        extra: Tensor | None = None
        rank: Tensor | None = None

    eye = torch.eye(4).expand(2, 3, 4, 4)
    code = Own(
        torch.rand(2, 3, 5),
        Cameras(eye, eye[..., :3, :3]),
        torch.rand(2, 3, 7),
        extra=torch.rand(2, 3, 2, 2),
        rank=torch.rand(2, 3),
    )
    assert pose_numbers(code).shape == (2, 3, 5 + 16 + 9 + 4 + 1)


def test_runs_are_compared_where_one_has_a_check_more() -> None:
    rows_of_both = pd.DataFrame({"sample": ["a", "b"], "se3": [0.0, 1.0], "kind": [0, 0], "kind of the other": [0, 0]})
    assert _only_one(rows_of_both, "se3") == "! 0 / 2" and _only_one(rows_of_both, "kind") == ""
