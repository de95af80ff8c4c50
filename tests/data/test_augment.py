"""Pose-preserving augmentations: torchvision's changes, one and the same for a whole clip, and no pixel moves."""

from __future__ import annotations

import colorsys
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import functional as classic

from evalkit.data.augment import Augmentation, Property, draw
from evalkit.data.augment_options import AugmentOptions
from evalkit.seeds import generator

XFACTOR = AugmentOptions()
ALWAYS = XFACTOR.model_copy(update={"jitter": 1.0, "blur": 1.0})


def clip(seed: int = 0, frames: int = 3) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.random((frames, 3, 12, 17), dtype=np.float32))


@pytest.mark.parametrize(("what", "amount", "theirs"), [
    (Property.BRIGHTNESS, 1.17, classic.adjust_brightness),
    (Property.CONTRAST, 0.83, classic.adjust_contrast),
    (Property.SATURATION, 1.2, classic.adjust_saturation),
    (Property.HUE, -0.05, classic.adjust_hue),
])  # fmt: skip
def test_each_change_of_colour_is_torchvisions(
    what: Property, amount: float, theirs: Callable[[Tensor, float], Tensor]
) -> None:
    frame = clip(frames=1)
    ours = Augmentation(((what, amount),)).apply(frame)
    assert (ours - theirs(frame, amount)).abs().max() < 1e-6
    assert (ours - frame).abs().max() > 0.05


def test_hue_turns_the_colour_circle() -> None:
    frame = clip(frames=1)
    ours = Augmentation(((Property.HUE, 0.05),)).apply(frame)[0].flatten(1).mT
    for before, after in zip(frame[0].flatten(1).mT.tolist(), ours.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb((hue + 0.05) % 1, saturation, value), abs=1e-5)


def test_blur_is_torchvisions_frame_by_frame() -> None:
    frames = clip()
    ours = Augmentation(blur=(7, 1.3)).apply(frames)
    theirs = torch.stack([classic.gaussian_blur(frame, [7, 7], [1.3, 1.3]) for frame in frames])
    assert (ours - theirs).abs().max() < 1e-6


def test_changes_are_made_in_their_order() -> None:
    frame = clip(frames=1)
    darker_first = Augmentation(((Property.BRIGHTNESS, 1.2), (Property.CONTRAST, 0.8)), (7, 2.0)).apply(frame)
    theirs = classic.gaussian_blur(classic.adjust_contrast(classic.adjust_brightness(frame, 1.2), 0.8), [7, 7], [2, 2])
    assert (darker_first - theirs).abs().max() < 1e-6
    reversed_order = Augmentation(((Property.CONTRAST, 0.8), (Property.BRIGHTNESS, 1.2)), (7, 2.0)).apply(frame)
    assert (reversed_order - theirs).abs().max() > 1e-3


def test_a_surface_keeps_one_colour_through_the_clip() -> None:
    """A dark and a bright frame show the same pixel: about the mean of each frame it would change differently."""
    frames = torch.cat([0.4 * clip(1, 1), 0.5 + 0.5 * clip(2, 1)])
    frames[:, :, 5, 5] = torch.tensor([0.3, 0.5, 0.7])
    for seed in range(20):
        changed = draw(generator(seed), ALWAYS.model_copy(update={"blur": 0.0})).apply(frames)[:, :, 5, 5]
        assert torch.equal(changed[0], changed[1])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), dims=st.sampled_from([(-1,), (-2,), (-1, -2), (0,)]))
def test_no_pixel_moves(seed: int, dims: tuple[int, ...]) -> None:
    """What treats left and right, top and bottom, earlier and later alike has no direction to move anything in."""
    augmentation, frames = draw(generator(seed), ALWAYS), clip(seed)
    assert (augmentation.apply(frames.flip(dims)) - augmentation.apply(frames).flip(dims)).abs().max() < 1e-5


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_an_edge_stays_where_it_is(seed: int) -> None:
    frames = torch.full((2, 3, 24, 24), 0.3)
    frames[..., 12:] = 0.6
    changed = draw(generator(seed), ALWAYS).apply(frames)
    step = changed.diff(dim=-1).mean(dim=(0, 1, 2)).abs()
    assert step.argmax() == 11
    assert torch.allclose(step[:11], step[12:].flip(0), atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_draws_lie_within_their_ranges_and_images_in_the_unit_interval(seed: int) -> None:
    augmentation = draw(generator(seed), ALWAYS)
    amounts = dict(augmentation.adjustments)
    hue = amounts.pop(Property.HUE)
    assert abs(hue) <= 0.05 and all(0.8 <= factor <= 1.2 for factor in amounts.values()) and len(amounts) == 3
    assert augmentation.blur is not None and 0.1 <= augmentation.blur[1] <= 2.0
    changed = augmentation.apply(clip(seed).round())
    assert changed.min() >= 0 and changed.max() <= 1


def test_nothing_drawn_changes_nothing() -> None:
    never = XFACTOR.model_copy(update={"jitter": 0.0, "blur": 0.0})
    assert draw(generator(0), never) == Augmentation()
    assert torch.equal(Augmentation().apply(clip()), clip())


def test_changes_are_made_with_their_probability_and_in_every_order() -> None:
    drawn = [draw(generator("many", i), XFACTOR) for i in range(4000)]
    assert np.mean([bool(augmentation.adjustments) for augmentation in drawn]) == pytest.approx(
        0.9, abs=4 * (0.09 / 4000) ** 0.5
    )
    assert np.mean([augmentation.blur is not None for augmentation in drawn]) == pytest.approx(
        0.3, abs=4 * (0.21 / 4000) ** 0.5
    )
    assert len({tuple(name for name, _ in one.adjustments) for one in drawn if one.adjustments}) == 24


def test_one_option_leaves_the_draws_of_the_others_alone() -> None:
    wide = draw(generator(0), ALWAYS.model_copy(update={"hue": 0.5, "jitter": 1.0, "sigma": (0.5, 9.0)}))
    usual = draw(generator(0), ALWAYS)
    assert without_hue(wide) == without_hue(usual)


def without_hue(augmentation: Augmentation) -> list[tuple[Property, float]]:
    return [(what, amount) for what, amount in augmentation.adjustments if what is not Property.HUE]


def test_the_defaults_are_those_of_xfactors_training() -> None:
    assert XFACTOR.model_dump() == {
        "jitter": 0.9, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.05, "blur": 0.3,
        "sigma": (0.1, 2.0), "kernel": 7,
    }  # fmt: skip
    assert all(field.description for field in AugmentOptions.model_fields.values())


def test_settings_need_no_torch() -> None:
    code = "import sys, evalkit.data.augment_options\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
