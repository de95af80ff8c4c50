"""augmentation: what passes from one look of a clip to the other, what a copied pixel scores, and who gets round it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from baselines.controls.cards import ControlOptions
from baselines.controls.copies import CopyContext, CopyTarget, Static
from baselines.controls.warping import Warp
from evalkit.config.compose import compose_runs
from evalkit.errors import UserError
from evalkit.method import Method, PoseCode, Scene, reference_of
from evalkit.protocol import RENDERS, Loaded, Summary
from evalkit.registry import Group, implementation, load
from evalkit.run.store import Row, table
from evalkit.views import Views, take_views
from protocols.augmentation.protocol import Augmentation

NO_CHANGE = ("protocol.augment.jitter=0.0", "protocol.augment.blur=0.0")
OPTIONS = ControlOptions(name="control")


def protocol(*overrides: str, seed: int = 0) -> Augmentation:
    small = ["protocol=augmentation", "protocol.metrics=[psnr,ssim]", "protocol.resolution=96", "dataset.count=4"]
    config = compose_runs([*small, *overrides])[0]
    dataset = implementation(load(Group.DATASET, "procedural"))(config.dataset, "cpu")
    return Augmentation(config.protocol, dataset, None, seed)  # type: ignore[arg-type]


def frames_of(one: Augmentation) -> list[Loaded]:
    clips = [(sample, sample.clips[0]) for sample in one.samples()]
    return [
        Loaded(sample, (one.clips.dataset.frames(clip.sequence, clip.numbers, one.preprocess),))
        for sample, clip in clips
    ]


def rows(one: Augmentation, batch: Sequence[Loaded], method: Method) -> list[Row]:
    scored = one.score(batch, one.predict(batch, method), one.target_pose(method.card))
    heads = [{"sample": each.sample.id, "scenes": list(each.sample.scenes), "status": "ok"} for each in batch]
    return [head | outcome.row for head, outcome in zip(heads, scored, strict=True)]


def summary(one: Augmentation, batch: Sequence[Loaded], method: Method) -> Summary:
    return one.summarise(table(rows(one, batch, method)), lambda sample: {})


@pytest.fixture(scope="module")
def default() -> Augmentation:
    return protocol()


@pytest.fixture(scope="module")
def clips(default: Augmentation) -> list[Loaded]:
    return frames_of(default)


class Spy(Warp):
    """Remembers what it was given."""

    def __init__(self) -> None:
        super().__init__(OPTIONS, "cpu")
        self.encoded: list[Tensor] = []

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        self.encoded.append(views.images)
        return super().encode_poses(views, context)

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        self.built_from, self.depth = views.images, views.depth
        return super().encode_scene(views, poses)

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        self.poses = poses
        return super().render(scene, poses)


class Recolours(CopyTarget):
    """Smuggles pixels as `copy_target` does, and repaints them: the frame that both looks share tells how."""

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        shared = take_views(views.images, reference_of(context)[:, None]).expand_as(views.images)
        return PoseCode(latent=torch.stack([views.images, shared], dim=2).flatten(2))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        return views.images[:, views.images.shape[1] // 2]

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        assert isinstance(scene, Tensor) and poses.latent is not None
        shown, shared = poses.latent.view(*poses.latent.shape[:2], 2, *scene.shape[1:]).unbind(2)
        repaint = torch.linalg.lstsq(colours(shared[:, 0]), scene.flatten(2).mT).solution  # [B, 4, 3]
        painted = colours(shown) @ repaint[:, None]
        return painted.mT.reshape(shown.shape).clamp(0, 1)


def colours(images: Tensor) -> Tensor:
    """[..., 3, H, W] -> [..., H W, 4]: red, green, blue, one."""
    return torch.nn.functional.pad(images.flatten(-2).mT, (0, 1), value=1.0)


def test_the_pose_code_of_one_look_passes_to_the_other_and_nothing_else(
    default: Augmentation, clips: list[Loaded]
) -> None:
    one, spy = clips[0], Spy()
    default.predict([one], spy)
    first, second = default.augmented(one).frames
    context = list(one.sample.clips[0].context_positions)
    assert torch.equal(spy.encoded[0][0], first.images)
    assert torch.equal(spy.encoded[1][0], second.images[context])
    assert torch.equal(spy.built_from[0], second.images[context])
    assert len(spy.encoded) == 4
    hidden, targets, half = spy.encoded[2][0], list(one.sample.clips[0].target_positions), first.images.shape[-1] // 2
    assert torch.equal(hidden[context], first.images[context])
    assert torch.equal(hidden[targets][..., :half], first.images[targets][..., :half])
    mean = first.images[context].mean((0, 2, 3))[:, None, None]
    torch.testing.assert_close(hidden[targets][..., half:], mean.expand_as(hidden[targets][..., half:]))
    assert spy.poses.latent is None and spy.poses.cameras is not None and spy.poses.cameras.intrinsics is None
    assert not torch.equal(first.images, second.images)


def test_cameras_and_depth_stay_as_they_are(default: Augmentation, clips: list[Loaded]) -> None:
    before = clips[0].frames[0]
    for after in default.augmented(clips[0]).frames:
        assert after.cameras is before.cameras and after.depth is before.depth and after.numbers == before.numbers


def test_copy_target_scores_exactly_what_augmentation_1_does(default: Augmentation, clips: list[Loaded]) -> None:
    cheat = CopyTarget(OPTIONS, "cpu")
    for row in rows(default, clips, cheat):
        assert row["psnr"] == row["augmentation_psnr"] and row["ssim"] == row["augmentation_ssim"]
    found = summary(default, clips, cheat)
    expected = {key: found.metrics[key].mean for key in ("psnr", "ssim")}
    assert found.references == {"returning augmentation 1": expected}


def test_warp_is_far_above_whoever_ignores_the_pose(default: Augmentation, clips: list[Loaded]) -> None:
    controls = {method.card.name: method(OPTIONS, "cpu") for method in (Warp, CopyContext, Static, CopyTarget)}
    psnr = {name: summary(default, clips, each).metrics["psnr"].mean for name, each in controls.items()}
    assert psnr["warp"] > 30
    assert psnr["warp"] > max(psnr["copy_context"], psnr["static"], psnr["copy_target"]) + 5
    assert psnr["copy_context"] > psnr["static"]


def test_pixels_that_are_repainted_get_through(default: Augmentation, clips: list[Loaded]) -> None:
    """Augmentation transfer cannot prove that poses are poses: this is why it stands beside tps, not instead."""
    cheat, honest = (summary(default, clips, each(OPTIONS, "cpu")).metrics["psnr"] for each in (Recolours, Warp))
    assert cheat.mean > honest.mean


def test_half_blind_such_pixels_do_not_help(default: Augmentation, clips: list[Loaded]) -> None:
    methods = {method.card.name: method for method in (each(OPTIONS, "cpu") for each in (Recolours, Warp, Static))}
    gain = {name: summary(default, clips, each).metrics["half_blind_gain"].mean for name, each in methods.items()}
    assert gain["warp"] > 3 and max(gain["copy_target"], gain["static"]) <= 0


def test_without_a_change_it_is_plain_reconstruction() -> None:
    one = protocol(*NO_CHANGE, "dataset.count=2")
    batch, method = frames_of(one), Warp(OPTIONS, "cpu")
    assert all(row["psnr"] == pytest.approx(100.0) for row in rows(one, batch, CopyTarget(OPTIONS, "cpu")))
    for loaded, row in zip(batch, rows(one, batch, method), strict=True):
        clip, frames = loaded.sample.clips[0], loaded.frames[0]
        views = Views.of([frames], [loaded.sample.id], method.card.needs, "cpu")
        context, target = torch.tensor([clip.context_positions]), torch.tensor([clip.target_positions])
        poses = method.encode_poses(views, context)
        shown = method.render(method.encode_scene(views.take(context), poses.take(context)), poses.take(target))[0]
        error = (shown - frames.images[list(clip.target_positions)]).square().mean((1, 2, 3)).double()
        assert row["psnr"] == pytest.approx(float((-10 * error.log10()).mean()), abs=1e-4)


def test_rows_do_not_depend_on_batch_or_order(default: Augmentation, clips: list[Loaded]) -> None:
    method = Warp(OPTIONS, "cpu")
    together = rows(default, clips, method)
    assert rows(default, clips[::-1], method)[::-1] == together
    assert [row for one in clips for row in rows(default, [one], method)] == together


def test_what_is_drawn_depends_on_the_seed_and_the_sample_alone(default: Augmentation, clips: list[Loaded]) -> None:
    def grey(one: Augmentation, loaded: Loaded) -> Tensor:
        """What both looks make of one and the same picture."""
        picture = torch.linspace(0.2, 0.7, 3 * 16 * 16).view(1, 3, 16, 16)
        frames = replace(loaded.frames[0], images=picture)
        return torch.cat([look.images for look in one.augmented(Loaded(loaded.sample, (frames,))).frames])

    first, second = clips[:2]
    renamed = Loaded(replace(second.sample, id=first.sample.id), second.frames)
    assert torch.equal(grey(default, renamed), grey(default, first))
    assert torch.equal(grey(protocol("dataset.world=orbits"), renamed), grey(default, first))
    assert not torch.equal(grey(default, second), grey(default, first))
    assert not torch.equal(grey(protocol(seed=1), first), grey(default, first))


def test_the_arrays_of_a_sample_are_as_large_as_planned(default: Augmentation, clips: list[Loaded]) -> None:
    method = CopyContext(OPTIONS, "cpu")
    (scored,) = default.score(clips[:1], default.predict(clips[:1], method), default.target_pose(method.card))
    assert sum(scores.nbytes for scores in scored.arrays.values()) == default.kept_bytes(clips[0].sample) > 0


def test_no_target_is_a_context_frame(default: Augmentation, clips: list[Loaded]) -> None:
    for loaded in clips:
        clip = loaded.sample.clips[0]
        assert not set(clip.target) & set(clip.context)
        assert clip.context[0] < min(clip.target) and max(clip.target) < clip.context[-1]
        assert default.predict([loaded], Static(OPTIONS, "cpu"))[RENDERS].shape[1] == len(clip.target) == 5


def test_a_window_without_room_between_context_frames_is_planned_and_fails() -> None:
    assert all("no room for" in sample.problem for sample in protocol("protocol.span=[6,6]").samples())


@pytest.mark.parametrize(("typed", "answer"), [
    ("protocol.augment.kernel=6", "kernel: expected an odd number"),
    ("protocol.augment.sigma=[2.0,0.1]", "sigma: expected .smallest,largest."),
    ("protocol.augment.hue=0.6", "hue"),
    ("protocol.metrics=[psnrr]", "did you mean 'psnr'"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(typed: str, answer: str) -> None:
    with pytest.raises(UserError, match=answer):
        protocol(typed)
