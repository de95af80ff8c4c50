"""The supervised baseline of RayZer's Table 6: what it learns from, what is left of it, what it can be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from baselines.rayzer.baseline import RayZerOptions
from baselines.rayzer.method import RayZer
from baselines.rayzer.model import RayZerModel
from baselines.rayzer.supervised import SupervisedRayZer, true_poses
from evalkit.card import PoseKind, TargetPose
from evalkit.config.validation import parse
from evalkit.errors import UserError
from evalkit.geometry.se3 import rotation_angle_deg
from evalkit.method import PoseCode
from evalkit.training.clip_batch import ClipBatch
from evalkit.training.settings import compose_training
from evalkit.views import Views
from evalkit.weights.model_file import write_model

MODEL: dict[str, Any] = {
    "resolution": 16,
    "patch": 8,
    "width": 32,
    "heads": 2,
    "camera_layers": 2,
    "scene_layers": 1,
    "decoder_layers": 1,
    "scene_tokens": 6,
    "positions": "sines",
    "head_deviation": 0.001,
    "head_scale": 1.0,
    "crop_stage": 0.0,
    "crop_margin": 0,
    "cameras_frozen_until": 0.0,
    "splits": [[3, 2]],
    "canonical": "middle",
    "pose": "se3_rays",
    "order": "camera_first",
    "decoder": "tokens",
    "objective": "poses",
    "pixel": "mse",
    "perceptual": 0.0,
}
CONTEXT, TARGET = torch.tensor([[0, 3, 4]]), torch.tensor([[1, 2]])  # the reference is 3, the canonical view 2


def supervised(**changes: Any) -> RayZerModel:
    return parse(RayZerModel, MODEL | changes)


def curves(count: int, seed: int) -> ClipBatch:
    """Cameras that turn and move one way in bright clips and the other way in dark ones, in any world and unit."""
    random = np.random.default_rng(seed)
    way = random.choice([-1, 1], size=(count, 1))
    images = torch.from_numpy(0.5 + 0.4 * way).float()[..., None, None, None].expand(-1, 5, 3, 16, 16)
    time = way * np.arange(5)
    w2c = np.tile(np.eye(4), (count, 5, 1, 1))
    w2c[..., :3, :3] = Rotation.from_rotvec(time.reshape(-1, 1) * [0, 0.3, 0]).as_matrix().reshape(count, 5, 3, 3)
    w2c[..., 0, 3] = time
    world = np.tile(np.eye(4), (count, 1, 1, 1))
    world[:, 0, :3, :3] = Rotation.random(count, random_state=seed).as_matrix()
    moved = w2c @ world
    moved[..., :3, 3] *= random.uniform(0.1, 10, size=(count, 1, 1))
    return ClipBatch(images, torch.from_numpy(moved).float())


@pytest.fixture(scope="module")
def trained() -> tuple[SupervisedRayZer, list[float]]:
    torch.manual_seed(0)
    trainee = SupervisedRayZer(supervised())
    optimiser = torch.optim.AdamW(trainee.parameters(), 3e-3)
    losses = []
    for step in range(80):
        with torch.autocast("cpu", torch.bfloat16):
            numbers = trainee(curves(16, step), np.random.default_rng(0), 0.0)
        optimiser.zero_grad()
        numbers["loss"].backward()
        optimiser.step()
        losses.append(float(numbers["loss"].detach()))
    return trainee, losses


@pytest.fixture
def method(trained: tuple[SupervisedRayZer, list[float]], tmp_path: Path) -> RayZer:
    file = tmp_path / "weights.safetensors"
    write_model(file, trained[0].network, "rayzer", trained[0].model, {"trained_on": "curves"})
    return RayZer(RayZerOptions(name="rayzer", weights=str(file)), "cpu")


def test_eighty_steps_of_new_clips_halve_the_loss(trained: tuple[SupervisedRayZer, list[float]]) -> None:
    losses = trained[1]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5]), losses


def test_every_weight_is_there_to_be_trained(trained: tuple[SupervisedRayZer, list[float]]) -> None:
    """Several devices would wait for gradients of a scene, a renderer or intrinsics that have no loss."""
    names = [name for name, weight in trained[0].named_parameters() if weight.grad is None]
    assert not names
    parts = {name.split(".")[0] for name, _ in trained[0].network.named_parameters()}
    assert parts == {"camera_head", "camera_layers", "camera_token", "codes", "embed_patches"}


def test_the_truth_is_relative_to_the_canonical_view_and_as_long_as_one() -> None:
    w2c = curves(4, 0).w2c
    assert w2c is not None
    poses = true_poses(w2c, 2)
    assert poses.counts.tolist() == [[True, True, False, True, True]] * 4
    assert torch.allclose(poses.rotation[:, 2], torch.eye(3).expand(4, 3, 3), atol=1e-6)
    assert torch.allclose(poses.translation.norm(dim=-1).amax(1), torch.ones(4))
    centres = -w2c[..., :3, :3].mT @ w2c[..., :3, 3:]
    distance = (centres - centres[:, [2]]).squeeze(-1).norm(dim=-1)
    assert torch.allclose(poses.translation.norm(dim=-1), distance / distance.amax(1, keepdim=True), atol=1e-4)


def test_a_world_in_other_units_or_elsewhere_teaches_the_same() -> None:
    trainee, clips = SupervisedRayZer(supervised()), curves(4, 0)
    assert clips.w2c is not None
    moved = clips.w2c.double() @ torch.linalg.inv(clips.w2c.double()[:, :1])
    moved[..., :3, 3] *= 7
    with torch.no_grad():
        here, there = (
            float(trainee(ClipBatch(clips.images, w2c), np.random.default_rng(0), 0.0)["loss"])
            for w2c in (clips.w2c, moved.float())
        )
    assert here == pytest.approx(there, abs=1e-5)


def test_its_cameras_are_read_as_they_are(method: RayZer) -> None:
    clips = curves(64, 1000)
    assert clips.w2c is not None
    context = CONTEXT.expand(64, -1)
    cameras = method.encode_poses(Views(clips.images, tuple(map(str, range(64)))), context).cameras
    assert cameras is not None and cameras.intrinsics is None
    true = true_poses(clips.w2c, 3)
    off_deg, still_deg = (
        rotation_angle_deg(rotation @ true.rotation.mT)[true.counts].mean()
        for rotation in (cameras.w2c[..., :3, :3], torch.eye(3))
    )
    assert off_deg < 0.5 * still_deg


def test_it_renders_nothing_and_says_so(method: RayZer) -> None:
    views = Views(curves(1, 0).images, ("a",))
    poses = method.encode_poses(views, CONTEXT)
    for refused in (
        lambda: method.encode_scene(views.take(CONTEXT), poses.take(CONTEXT)),
        lambda: method.render(None, PoseCode(cameras=poses.take(TARGET).cameras)),
    ):
        with pytest.raises(UserError, match=r"^these weights .* render nothing: type protocol=probe@rayzer .*$"):
            refused()
    card = method.card
    assert card.target_poses == (TargetPose.JOINT,) and card.pose is PoseKind.SE3 and not card.needs
    assert card.summary.startswith("supervised") and card.trained_on == "curves"


def test_it_is_an_ablation_that_asks_for_cameras() -> None:
    model = compose_training(["baseline=rayzer", "ablation=rayzer_supervised"]).model
    plain = compose_training(["baseline=rayzer"]).model
    assert isinstance(model, RayZerModel) and isinstance(plain, RayZerModel)
    assert model == plain.model_copy(update={"objective": "poses", "crop_stage": 0.0, "cameras_frozen_until": 0.0})
    with torch.device("meta"):
        assert RayZer.trainee(model).needs_cameras and not RayZer.trainee(plain).needs_cameras
    for changes in ({"pose": "latent"}, {"order": "scene_first"}):
        with pytest.raises(UserError, match="objective=poses has cameras and no scene"):
            supervised(**changes)
