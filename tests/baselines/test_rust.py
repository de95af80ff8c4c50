"""RUST: what its poses, scenes and renders may depend on, and that it learns and survives being written down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import baselines.rust.network
from baselines.rust.baseline import RustOptions
from baselines.rust.method import Rust
from baselines.rust.model import RustModel
from baselines.rust.network import RustNetwork
from baselines.rust.objective import RustTrainee, draw_pixels
from evalkit.errors import UserError
from evalkit.method import PoseCode
from evalkit.training.clip_batch import ClipBatch
from evalkit.views import Views
from evalkit.weights.model_file import write_model

TINY = RustModel(
    resolution=32,
    channels=8,
    width=32,
    heads=4,
    mlp_ratio=2.0,
    encoder_layers=2,
    pose_layers=1,
    decoder_layers=2,
    decoder_width=24,
    colour_width=32,
    octaves=4,
    latent=8,
    contexts=(3, 4),
    targets=2,
    supervise="unseen",
    rays_per_target=64,
    pixel_loss="mse",
)
ABOUT = {"trained_on": "noise", "licence": "Apache-2.0"}
PUBLISHED = {
    "resolution": 128, "channels": 96, "width": 768, "heads": 12, "encoder_layers": 5, "pose_layers": 5,
    "decoder_layers": 2, "decoder_width": 180, "colour_width": 1536, "octaves": 15, "contexts": (5,), "targets": 1,
    "rays_per_target": 0,
}  # fmt: skip


def seeded(model: RustModel) -> RustTrainee:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return RustTrainee(model)


def written(folder: Path, model: RustModel = TINY) -> Rust:
    file = folder / "rust.safetensors"
    write_model(file, seeded(model).network, "rust", model, ABOUT)
    return Rust(RustOptions(name="rust", weights=str(file)), "cpu")


@pytest.fixture(scope="module")
def rust(tmp_path_factory: pytest.TempPathFactory) -> Rust:
    return written(tmp_path_factory.mktemp("rust"))


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 6, 3, 32, 32, generator=torch.Generator().manual_seed(0))


CONTEXT, TARGET = torch.tensor([[0, 2, 5], [0, 3, 5]]), torch.tensor([[1, 4], [2, 4]])


def predicted(rust: Rust, images: Tensor, samples: slice = slice(None)) -> tuple[PoseCode, Tensor, Tensor]:
    context, target = CONTEXT[samples], TARGET[samples]
    views = Views(images[samples], tuple("ab"[samples]))
    poses = rust.encode_poses(views, context)
    scene = rust.encode_scene(views.take(context), poses.take(context))
    return poses, scene, rust.render(scene, poses.take(target).carried())


def test_poses_are_blind_to_the_half_that_is_scored(rust: Rust, images: Tensor) -> None:
    poses, _, renders = predicted(rust, images)
    changed = images.clone()
    changed[0, TARGET[0], :, :, 16:] = 0.5
    others, _, same = predicted(rust, changed)
    assert torch.equal(poses.latent, others.latent) and torch.equal(renders, same)  # type: ignore[arg-type]
    changed[0, TARGET[0], :, :, :16] = 0.5
    others, _, moved = predicted(rust, changed)
    assert not torch.equal(poses.latent, others.latent) and not torch.equal(renders[0], moved[0])  # type: ignore[arg-type]
    assert rust.card.score_region == "right_half"


def test_a_scene_is_made_of_the_context_alone(rust: Rust, images: Tensor) -> None:
    poses, scene, _ = predicted(rust, images)
    changed = images.clone()
    changed[0, TARGET[0]] = 0.5
    others, same, _ = predicted(rust, changed)
    assert torch.equal(scene, same)
    for position in CONTEXT[0].tolist():
        assert torch.equal(poses.latent[0, position], others.latent[0, position])  # type: ignore[index]


def test_the_middle_view_is_the_reference_and_the_order_of_the_others_does_not_matter(rust: Rust) -> None:
    views = torch.rand(1, 3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    scene = rust.network.scene(views)
    swapped = rust.network.scene(views[:, [2, 1, 0]])
    torch.testing.assert_close(scene, swapped[:, [2, 1, 0]], rtol=0, atol=1e-5)
    assert (scene - rust.network.scene(views[:, [1, 0, 2]])[:, [1, 0, 2]]).abs().max() > 1e-3


@pytest.mark.parametrize("latent", [8, 64, 768])
def test_a_pose_has_as_many_numbers_as_asked_for(latent: int, tmp_path: Path, images: Tensor) -> None:
    rust = written(tmp_path, TINY.model_copy(update={"latent": latent}))
    poses, _, renders = predicted(rust, images)
    assert poses.latent is not None and poses.features is not None
    assert poses.latent.shape == (2, 6, latent) and poses.features.shape == (2, 6, TINY.width)
    assert renders.shape == (2, 2, 3, 32, 32) and renders.std() > 0


def test_results_do_not_depend_on_what_else_is_in_the_batch(rust: Rust, images: Tensor) -> None:
    poses, scene, renders = predicted(rust, images)
    for i in range(2):
        alone, own, render = predicted(rust, images, slice(i, i + 1))
        for one, among in ((alone.latent, poses.latent), (own, scene), (render, renders)):
            torch.testing.assert_close(one[0], among[i], rtol=0, atol=1e-6)  # type: ignore[index]


def test_each_target_is_encoded_alone(rust: Rust, images: Tensor) -> None:
    """Joint and context-only poses are the same."""
    poses, _, _ = predicted(rust, images)
    kept = torch.tensor([[0, 1, 2, 5], [0, 2, 3, 5]])
    places = torch.tensor([[0, 2, 3], [0, 2, 3]])
    alone = rust.encode_poses(Views(images, ("a", "b")).take(kept), places)
    torch.testing.assert_close(alone.latent, poses.take(kept).latent, rtol=0, atol=1e-6)


def test_what_is_read_back_renders_the_same(rust: Rust, images: Tensor, tmp_path: Path) -> None:
    file = tmp_path / "again.safetensors"
    write_model(file, rust.network, "rust", rust.model, ABOUT)
    again = Rust(RustOptions(name="rust", weights=str(file)), "cpu")
    assert torch.equal(predicted(rust, images)[2], predicted(again, images)[2])
    assert (again.card.trained_on, again.card.licence, len(again.card.weights)) == ("noise", "Apache-2.0", 64)
    assert again.card.context_views == frozenset(TINY.contexts)
    with pytest.raises(UserError, match="no such weights"):
        Rust(RustOptions(name="rust", weights=str(tmp_path / "none")), "cpu")


def test_forty_steps_take_half_of_the_loss_away() -> None:
    trainee = seeded(TINY)
    ramp = torch.linspace(0, 1, 32)
    tints = torch.rand(2, 5, 3, 1, 1, generator=torch.Generator().manual_seed(2))
    clips = (0.5 * tints + 0.5 * ramp).expand(2, 5, 3, 32, 32)
    optimiser = torch.optim.AdamW(trainee.parameters(), lr=2e-3)
    losses = []
    for _ in range(40):
        with torch.autocast("cpu", torch.bfloat16):
            out = trainee(ClipBatch(clips), np.random.default_rng(0), 0.0)
        optimiser.zero_grad()
        out["loss"].backward()
        optimiser.step()
        losses.append(out["loss"].item())
    assert losses[-1] < 0.5 * losses[0]
    assert float(out["psnr"]) == pytest.approx(-10 * np.log10(losses[-1]), abs=3)


@pytest.mark.parametrize("supervise", ["unseen", "all"])
@pytest.mark.parametrize("rays", [0, 7])
def test_loss_covers_pixels_that_the_pose_has_not_seen(supervise: str, rays: int) -> None:
    model = TINY.model_copy(update={"supervise": supervise, "rays_per_target": rays})
    right = np.array([[0, 1], [1, 0]])
    pixels = draw_pixels(right, model, np.random.default_rng(0))
    whole = 32 * 32 if supervise == "all" else 32 * 16
    assert pixels.shape == (2, 2, rays or whole)
    assert all(len(set(row)) == len(row) for row in pixels.reshape(4, -1).tolist())
    if supervise == "unseen":
        assert np.array_equal(pixels % 32 >= 16, np.broadcast_to(right[..., None] == 0, pixels.shape))


def test_a_step_has_one_of_the_numbers_of_contexts() -> None:
    rng = np.random.default_rng(0)
    assert {seeded(TINY).views(rng) for _ in range(20)} == {5, 6}


def test_published_sizes_have_the_stated_number_of_parameters() -> None:
    with torch.device("meta"):
        network = RustNetwork(TINY.model_copy(update=PUBLISHED))
    count = sum(parameter.numel() for parameter in network.parameters())
    assert f"{count:,} parameters" in (RustNetwork.__doc__ or "")
    assert "appendix A.4" in (baselines.rust.network.__doc__ or "")


def test_sizes_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        RustModel.model_validate({**TINY.model_dump(), "resolution": 40})
