"""RayZer: what its cameras mean, what reaches the scene, and what its files hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.nn.rotations import rotation_from_6d, six_d_from_rotation
from baselines.rayzer.baseline import RayZerBaseline, RayZerOptions
from baselines.rayzer.codes import RotaryCodes
from baselines.rayzer.crop_stage import crops, draw_offsets, rotations_to
from baselines.rayzer.method import RayZer
from baselines.rayzer.model import RayZerModel, Split
from baselines.rayzer.network import RayZerNetwork
from baselines.rayzer.objective import RayZerTrainee, reconstructed
from baselines.rayzer.official import official_name, official_network
from evalkit.card import PoseKind, TargetPose
from evalkit.config.validation import parse
from evalkit.errors import UserError
from evalkit.geometry.se3 import invert
from evalkit.method import Method, PoseCode
from evalkit.training.clip_batch import ClipBatch
from evalkit.views import Cameras, Views, take_views
from evalkit.weights.model_file import write_model

TINY: dict[str, Any] = {
    "resolution": 16,
    "patch": 8,
    "width": 32,
    "heads": 2,
    "camera_layers": 1,
    "scene_layers": 1,
    "decoder_layers": 1,
    "scene_tokens": 6,
    "positions": "sines",
    "head_deviation": 0.001,
    "head_scale": 1.0,
    "crop_stage": 0.0,
    "crop_margin": 0,
    "cameras_frozen_until": 0.0,
    "splits": [[4, 3], [2, 2]],
    "canonical": "middle",
    "pose": "se3_rays",
    "order": "camera_first",
    "decoder": "tokens",
    "objective": "images",
    "pixel": "mse",
    "perceptual": 0.0,
}
CONTEXT, TARGET = torch.tensor([[0, 2, 4, 6], [0, 1, 5, 6]]), torch.tensor([[1, 3, 5], [2, 3, 4]])  # 3 is canonical


def tiny(**changes: Any) -> RayZerModel:
    return parse(RayZerModel, TINY | changes)


def moving(model: RayZerModel) -> RayZerTrainee:
    """A network whose cameras move as far as after training; by its own start they hardly do."""
    torch.manual_seed(0)
    trainee = RayZerTrainee(model)
    with torch.no_grad():
        if model.pose != "latent":
            for parameter in trainee.network.camera_head.parameters():
                parameter.normal_(std=0.1)
    return trainee


def clips(count: int = 2, views: int = 7, seed: int = 0) -> Tensor:
    return torch.rand(count, views, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def pans() -> Tensor:
    """Two clips of a window that slides over a wide, soft picture."""
    coarse = torch.rand(2, 3, 4, 10, generator=torch.Generator().manual_seed(0))
    wide = torch.nn.functional.interpolate(coarse, size=(16, 40), mode="bilinear")
    return torch.stack([wide[..., 3 * i : 3 * i + 16] for i in range(7)], dim=1)


def loaded(folder: Path, model: RayZerModel) -> RayZer:
    file = folder / "weights.safetensors"
    write_model(file, moving(model).network, "rayzer", model, {"trained_on": "noise"})
    return RayZer(RayZerOptions(name="rayzer", weights=str(file)), "cpu")


def rendered(method: Method, images: Tensor, context: Tensor, target: Tensor) -> Tensor:
    views = Views(images, tuple("abcdef"[: len(images)]))
    poses = method.encode_poses(views, context)
    return method.render(method.encode_scene(views.take(context), poses.take(context)), poses.take(target))


@pytest.mark.parametrize(("layers", "millions"), [(8, 182), (12, 238)])
def test_sizes_are_those_of_the_paper_and_of_the_release(layers: int, millions: int) -> None:
    paper = {"resolution": 256, "patch": 16, "width": 768, "heads": 12, "camera_layers": 8, "scene_tokens": 3072}
    with torch.device("meta"):
        network = RayZerNetwork(tiny(**paper, scene_layers=layers, decoder_layers=layers, splits=[[16, 8]]))
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(millions * 1e6, rel=0.005)


def test_six_numbers_become_columns_of_rotations() -> None:
    numbers = torch.randn(100, 6, dtype=torch.float64)
    rotation = rotation_from_6d(numbers)
    assert torch.allclose(rotation.mT @ rotation, torch.eye(3, dtype=torch.float64).expand(100, 3, 3), atol=1e-12)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(100, dtype=torch.float64))
    assert torch.allclose(rotation[..., 0] * numbers[:, :3].norm(dim=1, keepdim=True), numbers[:, :3])
    assert torch.allclose(rotation_from_6d(six_d_from_rotation(rotation)), rotation)


@pytest.mark.parametrize(("canonical", "position"), [("middle", 3), ("first", 0)])
def test_the_canonical_view_is_the_identity_and_one_lens_serves_all(canonical: str, position: int) -> None:
    network = moving(tiny(canonical=canonical)).network
    cameras = network.encode_poses(network.embed(clips(), torch.arange(7)[None])).cameras
    assert cameras is not None and cameras.intrinsics is not None
    assert torch.equal(cameras.w2c[:, position], torch.eye(4).expand(2, 4, 4))
    assert (cameras.w2c - torch.eye(4)).abs().amax((2, 3)).gt(0.01).sum() == 12  # all others have moved
    assert torch.equal(cameras.intrinsics, cameras.intrinsics[:, :1].expand(-1, 7, -1, -1))
    assert torch.equal(cameras.intrinsics[..., 2], torch.tensor([8.0, 8, 1]).expand(2, 7, 3))


def test_before_training_nothing_moves_and_the_lens_is_one_and_a_quarter_widths() -> None:
    network = RayZerNetwork(tiny())
    cameras = network.encode_poses(network.embed(clips(), torch.arange(7)[None])).cameras
    assert cameras is not None and cameras.intrinsics is not None
    assert torch.allclose(cameras.intrinsics[..., 0, 0], torch.tensor(1.25 * 16), atol=1e-2)
    assert torch.allclose(cameras.w2c, torch.eye(4).expand(2, 7, 4, 4), atol=1e-3)


def test_target_pixels_reach_renders_through_poses_only(monkeypatch: pytest.MonkeyPatch) -> None:
    network = moving(tiny()).network
    images = clips()
    changed = images.scatter(1, TARGET[:, :, None, None, None].expand(-1, -1, 3, 16, 16), clips(views=3, seed=1))
    with torch.no_grad():
        before, after = (reconstructed(network, views, CONTEXT, TARGET) for views in (images, changed))
        poses = network.encode_poses(network.embed(images, torch.arange(7)[None]))
        monkeypatch.setattr(network, "encode_poses", lambda tokens, scene=None: poses)
        with_old_poses = reconstructed(network, changed, CONTEXT, TARGET)
    assert torch.equal(with_old_poses, before)
    assert (after - before).abs().max() > 1e-3


@pytest.mark.parametrize("pose", ["se3_rays", "se3_mlp", "latent"])
@pytest.mark.parametrize("order", ["camera_first", "scene_first"])
def test_every_ablation_is_evaluated_as_it_is_trained(tmp_path: Path, pose: str, order: str) -> None:
    """Though poses pass relative to a context view and the canonical one is a target."""
    model = tiny(pose=pose, order=order)
    method, images = loaded(tmp_path, model), clips()
    with torch.no_grad():
        trained = reconstructed(method.network, images, CONTEXT, TARGET)
    assert torch.allclose(rendered(method, images, CONTEXT, TARGET), trained, atol=1e-5)
    trainee = moving(model)
    numbers = trainee(ClipBatch(images), np.random.default_rng(0), 0.0)
    numbers["loss"].backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in trainee.parameters())
    assert method.card.pose is (PoseKind.LATENT if pose == "latent" else PoseKind.SE3)
    assert isinstance(method, Method)


def test_the_reference_is_the_identity_and_a_pose_without_lens_takes_the_scenes(tmp_path: Path) -> None:
    method, images = loaded(tmp_path, tiny()), clips()
    views = Views(images, ("a", "b"))
    poses = method.encode_poses(views, CONTEXT)
    assert poses.cameras is not None and poses.features is not None
    reference = poses.take(CONTEXT[:, 2:3]).cameras
    assert reference is not None and torch.allclose(reference.w2c, torch.eye(4).expand(2, 1, 4, 4), atol=1e-12)
    assert poses.features.shape == (2, 7, 32)
    scene = method.encode_scene(views.take(CONTEXT), poses.take(CONTEXT))
    target = poses.take(TARGET)
    assert torch.equal(method.render(scene, target.carried()), method.render(scene, target))


def test_poses_that_come_without_their_clip_belong_to_one_that_is_the_context_alone(tmp_path: Path) -> None:
    method, images = loaded(tmp_path, tiny()), clips(views=4)
    views = Views(images, ("a", "b"))
    poses = method.encode_poses(views, torch.arange(4).expand(2, -1))  # reference and canonical view are both 2
    plain = PoseCode(cameras=poses.cameras)
    tokens, same = (method.encode_scene(views, code).tokens for code in (poses, plain))
    assert torch.allclose(tokens, same, atol=1e-6)


def test_samples_do_not_depend_on_each_other(tmp_path: Path) -> None:
    method, images = loaded(tmp_path, tiny()), clips()
    together = rendered(method, images, CONTEXT, TARGET)
    assert torch.allclose(
        rendered(method, images.flip(0), CONTEXT.flip(0), TARGET.flip(0)).flip(0), together, atol=1e-6
    )
    assert torch.allclose(rendered(method, images[:1], CONTEXT[:1], TARGET[:1]), together[:1], atol=1e-6)


def test_numbers_of_views_that_were_not_trained_with_are_refused(tmp_path: Path) -> None:
    method = loaded(tmp_path, tiny())
    with pytest.raises(UserError, match="4 or 7 views at once, got 5"):
        method.encode_poses(Views(clips(views=5), ("a", "b")), torch.tensor([[0, 4], [0, 4]]))
    card = method.card
    assert card.context_views == frozenset({2, 4}) and card.resolution == 16 and card.trained_on == "noise"
    assert card.target_poses == (TargetPose.JOINT, TargetPose.INTERPOLATED, TargetPose.TRANSFER)
    with_one_more = loaded(tmp_path, tiny(splits=[[3, 1], [2, 1]])).card
    assert TargetPose.CONTEXT_ONLY in with_one_more.target_poses
    assert loaded(tmp_path, tiny(splits=[[4, 3]])).card.target_poses == (TargetPose.JOINT,)


def test_a_trained_model_renders_the_same_from_its_file(tmp_path: Path) -> None:
    """60 steps on one batch halve the loss; the file gives what the network gives with numbers in half precision."""
    torch.manual_seed(0)
    model, batch = tiny(), pans()
    trainee = RayZerTrainee(model)
    optimizer = torch.optim.AdamW(trainee.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        with torch.autocast("cpu", torch.bfloat16):
            numbers = trainee(ClipBatch(batch), np.random.default_rng(0), 0.0)
        optimizer.zero_grad()
        numbers["loss"].backward()
        optimizer.step()
        losses.append(float(numbers["loss"].detach()))
    assert losses[-1] < 0.5 * losses[0], losses
    write_model(tmp_path / "m.safetensors", trainee.network, "rayzer", model, {})
    method = RayZer(RayZerOptions(name="rayzer", weights=str(tmp_path / "m.safetensors")), "cpu")
    trainee.half().float()
    with torch.no_grad():
        expected = reconstructed(trainee.network, batch, CONTEXT, TARGET)
    assert torch.equal(method.network.initial_scene, trainee.network.initial_scene)
    assert torch.allclose(rendered(method, batch, CONTEXT, TARGET), expected, atol=1e-5)


def test_a_crop_is_what_a_turned_camera_sees() -> None:
    """Directions K^-1 (x, y, 1) are linear in pixels, so that a crop of a picture of them is exact.

    In its middle it shows the direction in which the turned camera looks, which has not rolled: its right is level.
    """
    row, column = torch.meshgrid(torch.arange(16) + 0.5, torch.arange(16) + 0.5, indexing="ij")
    frame = torch.stack([(column - 8) / 20, (row - 8) / 20, torch.ones(16, 16)])
    offset = torch.tensor([[[0.0, 0.0], [3.0, -3.5], [-2.25, 1.0]]])
    shown = crops(frame[None], offset, margin=4)[0]
    middle = shown[:, :, 7:9, 7:9].mean((-1, -2))
    c2w = rotations_to(offset, torch.full((1, 3), 20.0))[0]
    torch.testing.assert_close(torch.nn.functional.normalize(middle, dim=-1), c2w[:, :, 2])
    torch.testing.assert_close(c2w.mT @ c2w, torch.eye(3).expand(3, 3, 3))
    assert torch.allclose(torch.linalg.det(c2w), torch.ones(3)) and not c2w[:, 1, 0].any()
    torch.testing.assert_close(shown[0, 0, 0, -1] - shown[0, 0, 0, 0], torch.tensor(7.5 / 20))  # half the field of view
    places = draw_offsets(200, 3, 2, np.random.default_rng(0))
    assert places.shape == (200, 3, 2) and 1.9 < places.abs().max() <= 2


def test_the_first_lessons_are_of_cameras_alone_then_of_all_but_cameras() -> None:
    """Every weight has a gradient at any time, since several devices wait for it; which are not zero is the lesson."""
    trainee, batch = moving(tiny(crop_stage=0.3, cameras_frozen_until=0.6, crop_margin=3)), ClipBatch(clips())

    def taught(progress: float) -> set[str]:
        trainee.zero_grad()
        numbers = trainee(batch, np.random.default_rng(0), progress)
        numbers["loss"].backward()
        assert bool(numbers["psnr"].isnan()) == (progress < 0.3) == bool(numbers["rotation_error_deg"].isfinite())
        gradients = {name: weight.grad for name, weight in trainee.network.named_parameters()}
        assert all(gradient is not None for gradient in gradients.values())
        return {name.split(".")[0] for name, gradient in gradients.items() if gradient is not None and gradient.any()}

    cameras, scenes = {"camera_head", "camera_layers", "camera_token"}, {"context_pose", "fuse", "renderer"}
    scenes |= {"initial_scene", "scene_layers"}
    assert taught(0.0) == taught(0.29) == cameras | {"embed_patches", "codes"}
    assert taught(0.3) == taught(0.59) == scenes
    assert taught(0.6) == cameras | scenes | {"embed_patches", "codes"}
    for wrong, message in (({"pose": "latent"}, "need cameras"), ({"crop_margin": 8}, "less than half of 16")):
        with pytest.raises(UserError, match=message):
            tiny(**({"crop_stage": 0.3, "crop_margin": 3} | wrong))


def test_cameras_learn_from_crops_where_to_look() -> None:
    """300 steps on new crops of eight pictures: angles off by two thirds of what they are at first, and less."""
    torch.manual_seed(0)
    head = {"head_deviation": 0.1, "head_scale": 0.1}
    model = tiny(positions="rotary", crop_stage=1.0, crop_margin=2, splits=[[2, 1]], camera_layers=2, patch=4, **head)
    trainee = RayZerTrainee(model)
    frames = torch.nn.functional.interpolate(torch.rand(8, 3, 6, 6), size=16, mode="bicubic").clamp(0, 1)
    optimizer = torch.optim.AdamW(trainee.parameters(), 3e-3)
    errors_deg = []
    for step in range(300):
        numbers = trainee(ClipBatch(frames[:, None].expand(-1, 3, -1, -1, -1)), np.random.default_rng(step), 0.0)
        optimizer.zero_grad()
        numbers["loss"].backward()
        optimizer.step()
        errors_deg.append(float(numbers["rotation_error_deg"]))
    assert np.mean(errors_deg[-25:]) < 0.67 * np.mean(errors_deg[:25]), errors_deg


def test_rotary_codes_tell_every_patch_and_camera_apart() -> None:
    """Of grey frames, alike everywhere, the first layer's queries are all different; so are the views' cameras."""
    network = moving(tiny(positions="rotary")).network
    codes = network.codes
    assert isinstance(codes, RotaryCodes)
    rotation = codes.rotation(7, 2)
    ones = rotation(torch.ones(1, 7 + 7 * 4 + 2, 16))[0]
    assert torch.equal(ones[:7], torch.ones(7, 16)) and torch.equal(ones[-2:], torch.ones(2, 16))
    assert torch.equal(ones[7:11], ones[11:15]) and len(ones[7:11].unique(dim=0)) == 4
    with torch.no_grad():
        tokens = network.embed(torch.full((1, 7, 3, 16, 16), 0.5), torch.arange(7)[None])
        cameras = network.encode_poses(tokens).cameras
    assert len(tokens.flatten(0, 2).unique(dim=0)) == 28
    assert cameras is not None and len(cameras.w2c[0].flatten(1).unique(dim=0)) == 7
    assert network.encode_scene(tokens, network.encode_poses(tokens)).shape == (1, 6, 32)


def test_a_step_has_the_views_of_one_of_the_splits() -> None:
    assert {RayZerTrainee(tiny()).views(np.random.default_rng(seed)) for seed in range(20)} == {4, 7}


def released(width: int, patch: int, head: int, scene: int, layers: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
    """Names and shapes in a released checkpoint, written down apart from the code that reads them."""
    square = (width, width)
    shapes: dict[str, tuple[int, ...]] = {
        "image_tokenizer.1.weight": (width, 3 * patch**2),
        "target_pose_tokenizer.1.weight": (width, 6 * patch**2),
        "target_pose_tokenizer2.1.weight": (width, 6 * patch**2),
        "scene_code": (scene, width),
        "cam_code": (1, width),
        "decoder_ln.weight": (width,),
        "mlp_fuse.0.weight": (2 * width,),
        "mlp_fuse.1.weight": (width, 2 * width),
        "mlp_fuse.3.weight": square,
        "image_token_decoder.0.weight": (width,),
        "image_token_decoder.1.weight": (3 * patch**2, width),
        "pose_predictor.rel_head.0.weight": (width, 2 * width),
        "pose_predictor.rel_head.2.weight": (9, width),
        "pose_predictor.rel_head.2.bias": (9,),
        "pose_predictor.canonical_k_head.0.weight": square,
        "pose_predictor.canonical_k_head.2.weight": (1, width),
        "pose_predictor.canonical_k_head.2.bias": (1,),
    }
    shapes |= {f"{mlp}.{i}.weight": square for mlp in ("pe_embedder", "temporal_pe_embedder") for i in (0, 2)}
    shapes |= {f"{mlp}.{i}.bias": (width,) for mlp in ("pe_embedder", "temporal_pe_embedder") for i in (0, 2)}
    shapes |= {f"mlp_fuse.{i}.bias": (width,) for i in (1, 3)}
    shapes |= {f"pose_predictor.{name}.0.bias": (width,) for name in ("rel_head", "canonical_k_head")}
    for stack, count in zip(("encoder", "encoder_geom", "decoder"), layers, strict=True):
        for i in range(count):
            block = f"transformer_{stack}.{i}"
            shapes |= {f"{block}.{norm}.weight": (width,) for norm in ("norm1", "norm2")}
            shapes |= {f"{block}.attn.{norm}.weight": (head,) for norm in ("q_norm", "k_norm")}
            shapes[f"{block}.attn.to_qkv.weight"] = (3 * width, width)
            shapes[f"{block}.attn.fc.weight"] = square
            shapes[f"{block}.mlp.mlp.0.weight"] = (4 * width, width)
            shapes[f"{block}.mlp.mlp.2.weight"] = (width, 4 * width)
    return shapes


def test_every_name_of_the_released_model_has_one_place() -> None:
    shapes = released(768, 16, 64, 3072, (8, 12, 12))
    paper = {"resolution": 256, "patch": 16, "width": 768, "heads": 12, "scene_tokens": 3072, "splits": [[16, 8]]}
    with torch.device("meta"):
        network = RayZerNetwork(tiny(**paper, camera_layers=8, scene_layers=12, decoder_layers=12))
    ours = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert sorted(official_name(name) for name in ours) == sorted(shapes)
    assert all(
        shape[-len(shapes[official_name(name)]) :] == shapes[official_name(name)] for name, shape in ours.items()
    )


def test_a_released_checkpoint_is_read_to_the_last_name(tmp_path: Path) -> None:
    state = {name: torch.randn(shape) for name, shape in released(32, 4, 16, 10, (2, 1, 3)).items()}
    vgg = {"loss_computer.perceptual_loss_module.vgg.features.0.weight": torch.zeros(64, 3, 3, 3)}
    network = official_network(state | vgg, "there")
    model = network.model
    assert (model.camera_layers, model.scene_layers, model.decoder_layers) == (2, 1, 3)
    assert (model.width, model.heads, model.patch, model.scene_tokens, model.splits) == (32, 2, 4, 10, (Split(16, 8),))
    back = {official_name(name): value for name, value in network.state_dict().items()}
    assert back.keys() == state.keys() and all(torch.equal(back[key].view_as(state[key]), state[key]) for key in state)

    with pytest.raises(UserError, match=r"'aaa' is no weight"):
        official_network(state | {"aaa": torch.zeros(1)}, "there")
    with pytest.raises(UserError, match=r"'mlp_fuse.3.bias' is missing"):
        official_network({name: value for name, value in state.items() if name != "mlp_fuse.3.bias"}, "there")
    with pytest.raises(UserError, match=r"expected \[9, 32\]"):
        official_network(state | {"pose_predictor.rel_head.2.weight": torch.zeros(7, 32)}, "there")  # quaternions

    torch.save({"model": state | vgg}, tmp_path / "released.pt")
    options = RayZerOptions(weights=str(tmp_path / "released.pt"))
    method = RayZer(options, "cpu")
    assert method.card == RayZerBaseline.card_of(options), "known without reading the weights"
    assert method.card.trained_on == "DL3DV-10K" and len(method.card.weights) == 64 and method.card.resolution == 256
    torch.save({"weights": state}, tmp_path / "other.pt")
    with pytest.raises(UserError, match="no weights under 'model'"):
        RayZer(RayZerOptions(weights=str(tmp_path / "other.pt")), "cpu")
    with pytest.raises(UserError, match="no such weights"):
        RayZerBaseline.card_of(RayZerOptions(weights=str(tmp_path / "none.pt")))


def test_cameras_are_read_from_camera_to_world() -> None:
    """A head that says only "one unit to the right" puts the camera's centre there."""
    network = RayZerNetwork(tiny())
    with torch.no_grad():
        for name, parameter in network.camera_head.pose.named_parameters():
            parameter.copy_(torch.eye(9)[6] if name == "2.bias" else torch.zeros_like(parameter))
    cameras = network.encode_poses(network.embed(clips(), torch.arange(7)[None])).cameras
    assert isinstance(cameras, Cameras)
    centres = invert(cameras.w2c)[..., :3, 3]
    others = torch.tensor([[0, 1, 2, 4, 5, 6]]).expand(2, -1)
    assert torch.allclose(take_views(centres, others), torch.tensor([1.0, 0, 0]).expand(2, 6, 3))
