"""Half-blind scores: what a pose cannot have seen is scored, and the clock alone scores nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.controls.cards import ControlOptions
from baselines.controls.copies import CopyTarget, FadeContext
from baselines.controls.warping import Warp
from baselines.xfactor.baseline import XFactorOptions
from baselines.xfactor.method import XFactor
from evalkit.data.dataset import SequenceInfo
from evalkit.errors import SampleError
from evalkit.method import Method, PoseCode
from evalkit.protocol import Clip, Loaded
from evalkit.views import Frames, Views
from protocols.shared.half_blind import HALF_BLIND, half_blind, half_blind_scores
from protocols.shared.target_poses import Batch
from protocols.shared.wide_clips import MARGIN, WideOptions, wide_clip
from protocols.shared.without_pose import images_without_pose
from tests.jobs import planned_job

SETTINGS = ("protocol=nvs", "dataset.world=orbits", "protocol.resolution=32", "protocol.metrics=[psnr]", "limit=6")


def gains(method: Method) -> list[float]:
    job = planned_job([*SETTINGS, f"baseline={method.card.name}"])
    protocol, dataset = job.protocol, job.dataset
    batch = [
        Loaded(one, tuple(dataset.frames(clip.sequence, clip.numbers, protocol.preprocess) for clip in one.clips))
        for one in job.plan.samples
    ]
    scored = protocol.score(batch, protocol.predict(batch, method), protocol.target_pose(method.card))
    return [float(one.row["half_blind_gain"]) for one in scored]


def test_pixels_in_the_pose_and_the_clock_gain_nothing_and_geometry_does() -> None:
    options = ControlOptions(name="any")
    assert max(gains(CopyTarget(options, "cpu"))) <= 1e-6
    assert max(gains(FadeContext(options, "cpu"))) <= 1e-6, "it is one of the images that a gain is above"
    assert min(gains(Warp(options, "cpu"))) > 2


def a_batch() -> tuple[Batch, Clip]:
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    clip = Clip("a", (0, 10, 20), (5, 17))
    order = torch.tensor([0, 2, 4])
    views = Views(images[None], ("a#0",), depth=torch.ones(1, 5, 8, 8))
    return Batch(views, order[None], torch.tensor([[1, 3]])), clip


def test_the_right_half_of_targets_is_hidden_and_nothing_else() -> None:
    batch, _ = a_batch()
    hidden = half_blind(batch).views
    assert hidden.visible is not None and hidden.depth is not None
    shown = hidden.visible[:, :, None].expand_as(hidden.images)
    assert torch.equal(hidden.images[shown], batch.views.images[shown])
    expected = torch.ones(5, 8, 8, dtype=torch.bool)
    expected[[1, 3], :, 4:] = False
    assert torch.equal(hidden.visible[0], expected) and torch.equal(hidden.depth.isnan(), ~hidden.visible)
    colour = batch.views.images[0, [0, 2, 4]].mean((0, 2, 3))
    torch.testing.assert_close(hidden.images[0, 1, :, :, 4:], colour[:, None, None].expand(3, 8, 4))


def test_only_the_right_half_is_scored() -> None:
    batch, clip = a_batch()
    frames = Frames(batch.views.images[0], clip.numbers)
    truth = frames.images[[1, 3]]
    wrong = truth.clone()
    wrong[..., :4] = 0
    assert half_blind_scores(frames, clip, wrong).row["half_blind_psnr"] == pytest.approx(100)
    wrong = truth.clone()
    wrong[..., 4:] = 1 - truth[..., 4:]
    assert half_blind_scores(frames, clip, wrong).row["half_blind_gain"] < 0


def test_images_without_pose_by_hand() -> None:
    context = torch.tensor([0.0, 0.5, 1.0])[:, None, None, None].expand(3, 3, 8, 8)
    shown = images_without_pose(context, (0, 10, 30), (4, 25))
    values: list[list[float]] = [images[:, 0, 4, 4].tolist() for images in shown]
    still, blurred, mean, colour, nearest, faded = values
    assert still == mean == [0.5, 0.5] and blurred == pytest.approx(still) and colour == pytest.approx(still)
    assert nearest == [0.0, 1.0] and faded == pytest.approx([0.2, 0.875])


def test_targets_of_wide_clips_lie_well_inside_the_gaps() -> None:
    options = WideOptions(context=3, target=5)
    for seed in range(50):
        clip = wide_clip(SequenceInfo("a", "a", ((0, 97),)), options, (80, 96), np.random.default_rng(seed))
        first, middle, last = clip.context
        assert 80 <= last - first <= 96 and clip.target == tuple(sorted(set(clip.target))) and len(clip.target) == 5
        for number in clip.target:
            left, right = (first, middle) if number < middle else (middle, last)
            assert MARGIN * (right - left) <= min(number - left, right - number)
    short = wide_clip(SequenceInfo("a", "a", ((0, 40), (50, 60))), WideOptions(), (80, 96), np.random.default_rng(0))
    assert (short.context[0], short.context[-1]) == (0, 39), "the longest run of a shorter sequence"
    with pytest.raises(SampleError, match="no room"):
        wide_clip(SequenceInfo("a", "a", ((0, 5),)), options, (80, 96), np.random.default_rng(0))


def test_xfactor_leaves_hidden_patches_out() -> None:
    method = XFactor(XFactorOptions(), "cpu")
    images = torch.rand(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    batch = Batch(Views(images, ("a",)), torch.tensor([[0, 1, 3]]), torch.tensor([[2]]))

    def latents(colour: Tensor) -> PoseCode:
        painted = batch.views.painted_over(batch.target, 16, colour)
        return method.encode_poses(painted, batch.context)

    black, white = latents(torch.zeros(1, 3)).latent, latents(torch.ones(1, 3)).latent
    whole = method.encode_poses(batch.views, batch.context).latent
    assert black is not None and white is not None and whole is not None
    assert torch.equal(black, white), "the colour of what is hidden does not matter"
    torch.testing.assert_close(black[:, [0, 1, 3]], whole[:, [0, 1, 3]])
    assert not torch.allclose(black[:, 2], whole[:, 2])


def test_renders_alone_have_no_half_blind_number() -> None:
    job = planned_job([*SETTINGS, "baseline=static"])
    protocol, (one, *_) = job.protocol, job.plan.samples
    loaded = Loaded(one, tuple(job.dataset.frames(c.sequence, c.numbers, protocol.preprocess) for c in one.clips))
    predicted = {key: value for key, value in protocol.predict([loaded], job.method).items() if key != HALF_BLIND}
    (scored,) = protocol.score([loaded], predicted, protocol.target_pose(job.method.card))
    assert "half_blind_gain" not in scored.row and "psnr" in scored.row
