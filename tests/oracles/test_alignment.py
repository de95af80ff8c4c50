"""The alignment oracle against known cameras, a derivative by differences, and pictures that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evalkit.data.degrade import blurred
from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import ProceduralOptions
from evalkit.errors import UserError
from evalkit.geometry.se3 import relative_to, rotation_angle_deg
from evalkit.metrics.pose_scores import pose_scores
from evalkit.oracles.alignment import AlignmentOptions
from evalkit.oracles.cache import CachedOracle
from evalkit.oracles.image_alignment import AlignmentEstimator, pixel_derivatives, rigid_motion
from evalkit.oracles.oracle import ClipLocation
from evalkit.pixels import Preprocess, Profile

SIDE = 48
TARGETS, CONTEXT = (2, 8, 14, 20, 26), (0, 7, 14, 21, 28)
ORACLE = AlignmentEstimator(AlignmentOptions(), "cpu")


def world(name: str) -> ProceduralDataset:
    options = {"world": name, "split": "val", "count": 3, "length": 33, "version": 1}
    return ProceduralDataset(ProceduralOptions.model_validate(options), "cpu")


@pytest.fixture(scope="module", params=["orbits", "rooms"])
def scene(request: pytest.FixtureRequest) -> tuple[ProceduralDataset, torch.Tensor, torch.Tensor, list[ClipLocation]]:
    """A world, clips [2, 5] of two of its sequences, their cameras, and where they were taken."""
    data = world(request.param)
    clips, cameras, locations = [], [], []
    for sequence in (data.sequences()[i].name for i in (0, 1)):
        frames = data.frames(sequence, (*TARGETS, *CONTEXT), Preprocess(SIDE, Profile.PIXELSPLAT))
        assert frames.cameras is not None
        clips.append(frames.images[:5])
        cameras.append(frames.cameras.w2c[:5])
        locations.append(ClipLocation(data, sequence, frames.cameras.w2c[5:]))
    return data, torch.stack(clips), torch.stack(cameras), locations


def test_frames_are_found_sharp_or_soft(
    scene: tuple[ProceduralDataset, torch.Tensor, torch.Tensor, list[ClipLocation]],
) -> None:
    _, images, w2c, locations = scene
    for blur, off_deg, least in ((0.3, 0.2, 0.85), (1.5, 0.6, 0.75)):
        estimate = ORACLE.estimate(blurred(images.flatten(0, 1), blur).view_as(images), None, locations)
        assert estimate.success == (True, True), estimate.reasons
        off = rotation_angle_deg((estimate.w2c @ w2c.double().inverse())[..., :3, :3])
        assert off.max() < off_deg, off
        for i in (0, 1):
            scores = pose_scores(estimate.w2c[i : i + 1], w2c[i : i + 1].double(), 0.1).row("")
            assert float(scores["auc_exact_signed@20"]) > least, (blur, scores)


def test_no_clip_helps_another_and_contrast_does_not_matter(
    scene: tuple[ProceduralDataset, torch.Tensor, torch.Tensor, list[ClipLocation]],
) -> None:
    _, images, _, locations = scene
    together = ORACLE.estimate(images, None, locations).w2c
    assert torch.equal(ORACLE.estimate(images[1:], None, locations[1:]).w2c[0], together[1])
    pale = ORACLE.estimate(0.6 * images + 0.3, None, locations).w2c
    assert rotation_angle_deg((pale @ together.inverse())[..., :3, :3]).max() < 0.3
    assert torch.allclose(relative_to(together, together[:, 0])[:, 0], torch.eye(4, dtype=torch.float64))


def test_pictures_of_something_else_are_not_found(
    scene: tuple[ProceduralDataset, torch.Tensor, torch.Tensor, list[ClipLocation]],
) -> None:
    _, images, _, locations = scene
    strange = torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    for wrong in (strange, torch.full_like(images, 0.5)):
        estimate = ORACLE.estimate(wrong, None, locations)
        assert estimate.success == (False, False) and estimate.w2c.isnan().all()
        assert "nowhere in the scene" in estimate.reasons[0]


def test_the_place_is_part_of_what_is_remembered(
    scene: tuple[ProceduralDataset, torch.Tensor, torch.Tensor, list[ClipLocation]], tmp_path: Path
) -> None:
    _, images, _, locations = scene
    cached = CachedOracle(ORACLE, tmp_path)
    here = cached.estimate(images[:1], None, locations[:1])
    elsewhere = cached.estimate(images[:1], None, locations[1:])
    assert torch.equal(cached.estimate(images[:1], None, locations[:1]).w2c, here.w2c)
    assert not torch.equal(here.w2c, elsewhere.w2c)
    with pytest.raises(UserError, match="known world"):
        ORACLE.estimate(images, None)


def test_derivatives_are_those_by_differences() -> None:
    points = torch.tensor([[[0.3, -0.2, 2.0], [-1.0, 0.4, 3.0]]], dtype=torch.float64)
    intrinsics = torch.tensor([[40.0, 0, 24], [0, 40.0, 24], [0, 0, 1]], dtype=torch.float64)

    def pixels(twist: torch.Tensor) -> torch.Tensor:
        motion = rigid_motion(twist[None])
        image = (points @ motion[:, :3, :3].mT + motion[:, None, :3, 3]) @ intrinsics.mT
        return image[..., :2] / image[..., 2:]

    expected = torch.autograd.functional.jacobian(pixels, torch.zeros(6, dtype=torch.float64))
    assert torch.allclose(pixel_derivatives(points, intrinsics), expected, atol=1e-9)
