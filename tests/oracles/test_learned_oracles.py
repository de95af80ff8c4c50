"""The geometry around VGGT and Depth Anything 3, with networks of ours in their place, and the real classes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor, nn
from torchvision.transforms.functional import center_crop, resize

from evalkit.errors import UserError
from evalkit.geometry.se3 import relative_to
from evalkit.oracles.networks import depth_anything_3, depth_anything_3_estimator, packages, vggt, vggt_estimator
from evalkit.oracles.networks.depth_anything_3 import DepthAnything3Options
from evalkit.oracles.networks.depth_anything_3_estimator import DepthAnything3Estimator
from evalkit.oracles.networks.learned import square
from evalkit.oracles.networks.vggt import VggtOptions
from evalkit.oracles.networks.vggt_estimator import VggtEstimator, decoded, reference_first
from evalkit.oracles.oracle import Oracle
from evalkit.weights.catalogue import CATALOGUE
from evalkit.weights.store import MissingWeights


def encodings(levels: Tensor) -> Tensor:
    """A camera [..., 9] for each level of brightness [...]: far from the identity, quaternion not of length 1."""
    quaternion = torch.stack([levels, 0.3 - levels, levels**2, 1 + 0 * levels], dim=-1)
    return torch.cat([3 * quaternion[..., :3].flip(-1), 2 * quaternion, torch.ones(*levels.shape, 2)], dim=-1)


class Aggregator(nn.Module):
    """In place of VGGT's: tokens [b, V, P, C] that hold the mean brightness of their frame relative to frame 0's."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, frames: Tensor) -> tuple[list[Tensor], int]:
        assert torch.is_autocast_enabled("cpu") and frames.dtype == torch.float32 and frames.shape[-2:] == (518, 518)
        Aggregator.seen = frames
        levels = frames.mean((2, 3, 4))
        return [levels[..., None, None].expand(-1, -1, 6, 4) * self.gain], 5


class CameraHead(nn.Module):
    """In place of VGGT's: only the last of its answers is right."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: list[Tensor]) -> list[Tensor]:
        assert not torch.is_autocast_enabled("cpu") and tokens[-1].dtype == torch.float32
        right = encodings(tokens[-1][:, :, 0, 0] * self.gain)
        return [torch.full_like(right, torch.nan), right]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., VggtEstimator]:
    """``fake(batch=2)``: the oracle, with the networks above in place of the package's."""
    monkeypatch.setitem(sys.modules, "vggt", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "vggt.models.aggregator", SimpleNamespace(Aggregator=Aggregator))
    monkeypatch.setitem(sys.modules, "vggt.heads.camera_head", SimpleNamespace(CameraHead=CameraHead))
    one = torch.ones(1)
    give_weights(
        monkeypatch, vggt, vggt_estimator, {"aggregator.gain": one, "camera_head.gain": one, "depth_head.gain": one}
    )
    return make_vggt


def make_vggt(**changes: Any) -> VggtEstimator:
    return VggtEstimator(VggtOptions.model_validate(changes), "cpu")


def make_da3(**changes: Any) -> DepthAnything3Estimator:
    return DepthAnything3Estimator(DepthAnything3Options.model_validate({"size": "small", **changes}), "cpu")


def give_weights(monkeypatch: pytest.MonkeyPatch, light: Any, heavy: Any, tensors: dict[str, Tensor]) -> None:
    monkeypatch.setattr(heavy, "load", lambda name: dict(tensors))
    monkeypatch.setattr(light, "locate", lambda name: Path(CATALOGUE[name].file))


def flat_clips(levels: Tensor) -> Tensor:
    """Clips [B, V, 3, 20, 30] of one brightness a frame, at 8 bits."""
    return (levels * 255).round()[..., None, None, None].expand(*levels.shape, 3, 20, 30) / 255


def test_quaternions_are_scalar_last_and_need_not_have_length_one() -> None:
    encoding = torch.randn(7, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    w2c = decoded(encoding)
    assert torch.allclose(w2c[:, :3, :3], torch.from_numpy(Rotation.from_quat(encoding[:, 3:7].numpy()).as_matrix()))
    assert torch.equal(w2c[:, :3, 3], encoding[:, :3])
    assert torch.equal(w2c[:, 3], torch.tensor([0.0, 0, 0, 1], dtype=torch.float64).expand(7, 4))


@pytest.mark.parametrize(("height", "width"), [(30, 40), (40, 30), (25, 25), (333, 500)])
def test_frames_become_squares_as_torchvision_would_make_them(height: int, width: int) -> None:
    images = torch.rand(2, 3, 3, height, width, generator=torch.Generator().manual_seed(0))
    scaled = [round(length * 518 / min(height, width)) for length in (height, width)]
    flat = resize(images.flatten(0, 1), scaled, antialias=False, interpolation=3)  # type: ignore[arg-type]  # bicubic
    expected = center_crop(flat, [518, 518]).clamp(0, 1).unflatten(0, (2, 3))
    assert (square(images, 518) - expected).abs().max() < 1e-6


@pytest.mark.parametrize("views", [2, 3, 5, 8])
def test_the_middle_frame_goes_first_and_everything_comes_back(views: int) -> None:
    order = reference_first(views, "middle")
    assert order[0] == views // 2
    assert torch.equal(order[order.argsort()], torch.arange(views))
    assert torch.equal(reference_first(views, "first"), torch.arange(views))


@pytest.mark.parametrize("reference", ["middle", "first"])
def test_vggt_answers_in_the_order_of_the_frames_relative_to_the_first(
    fake: Callable[..., VggtEstimator], reference: str
) -> None:
    levels = torch.rand(3, 5, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255
    oracle = fake(batch=3, reference=reference)
    estimate = oracle.estimate(flat_clips(levels), None)
    truth = decoded(encodings(levels))
    assert isinstance(oracle, Oracle) and estimate.success == (True, True, True)
    assert estimate.w2c.dtype == torch.float64 and estimate.w2c.device.type == "cpu"
    assert torch.allclose(estimate.w2c, relative_to(truth, truth[:, 0]), atol=1e-4)
    first_seen = Aggregator.seen[:, 0].mean((1, 2, 3))
    assert torch.allclose(first_seen, levels[:, 2 if reference == "middle" else 0], atol=1e-5)


def test_clips_are_batched_and_answered_as_if_alone(fake: Callable[..., VggtEstimator]) -> None:
    clips = flat_clips(torch.rand(5, 4, generator=torch.Generator().manual_seed(0)))
    oracle = fake(batch=2)
    together = oracle.estimate(clips, None)
    assert Aggregator.seen.shape[0] == 2, "the last batch is filled up"
    alone = torch.cat([oracle.estimate(clip[None], None).w2c for clip in clips])
    assert torch.equal(together.w2c, alone)
    assert torch.allclose(together.w2c, fake(batch=1).estimate(clips, None).w2c)
    assert oracle.estimate(clips[:0], None).w2c.shape == (0, 4, 4, 4)


def test_an_answer_that_is_not_finite_is_a_failure_of_that_clip_alone(
    fake: Callable[..., VggtEstimator], monkeypatch: pytest.MonkeyPatch
) -> None:
    def head(self: CameraHead, tokens: list[Tensor]) -> list[Tensor]:
        answer = encodings(tokens[-1][:, :, 0, 0])
        answer[:, :, 3:7] = torch.where(tokens[-1][:, :, :1, 0] > 0.9, 0.0, answer[:, :, 3:7])
        return [answer]

    monkeypatch.setattr(CameraHead, "forward", head)
    estimate = fake().estimate(flat_clips(torch.tensor([[0.1, 0.2, 0.3], [0.1, 0.95, 0.3]])), None)
    assert estimate.reasons == ("", "the network answered with NaN or infinity")
    assert estimate.w2c[0].isfinite().all() and estimate.w2c[1].isnan().all()


def test_identity_holds_all_that_an_answer_depends_on_and_the_licence_is_told(
    fake: Callable[..., VggtEstimator],
) -> None:
    identity = fake().identity()
    assert set(identity) >= {"name", "revision", "precision", "reference", "batch", "package", "sha256"}
    assert identity["sha256"] == CATALOGUE["vggt-1b"].sha256
    assert str(identity["revision"]) in CATALOGUE["vggt-1b"].url
    assert fake(reference="first").identity() != identity
    assert "CC-BY-NC-4.0" in fake().notes[0]


def test_a_package_installed_from_a_commit_is_known_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    origin = {"url": "https://example.org/x", "vcs_info": {"vcs": "git", "commit_id": packages.VGGT_COMMIT}}
    found = SimpleNamespace(version="0.0.1", read_text=lambda name: json.dumps(origin))
    monkeypatch.setattr(packages, "distribution", lambda name: found)
    assert packages.installed_version("vggt") == packages.VGGT_COMMIT
    found.read_text = lambda name: None
    assert packages.installed_version("vggt") == "0.0.1"


@pytest.mark.parametrize(
    ("make", "module", "name"), [(make_vggt, vggt_estimator, "vggt"), (make_da3, depth_anything_3_estimator, "da3")]
)
def test_what_is_missing_is_told_in_one_line_with_what_to_type(
    make: Callable[[], Oracle], module: Any, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "vggt.models.aggregator", None)
    monkeypatch.setitem(sys.modules, "depth_anything_3.cfg", None)
    with pytest.raises(UserError, match="pip install --no-deps") as caught:
        make()
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(module, "require", lambda *_: MagicMock())
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    monkeypatch.delenv("EVALKIT_WEIGHTS", raising=False)
    with pytest.raises(MissingWeights, match=f"evalkit weights pull {name}"):
        make()


def test_weights_of_something_else_are_refused(
    fake: Callable[..., VggtEstimator], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_weights(monkeypatch, vggt, vggt_estimator, {"aggregator.gain": torch.ones(1)})
    with pytest.raises(UserError, match="1 tensors are missing, as gain"):
        fake()


def test_importing_the_adapters_imports_no_package() -> None:
    code = (
        "import sys, evalkit.oracles.networks.vggt_estimator, evalkit.oracles.networks.depth_anything_3_estimator\n"
        "assert not {'vggt', 'depth_anything_3', 'evo'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class Da3(nn.Module):
    """In place of Depth Anything 3: w2c [b, V, 3, 4] from the mean brightness of each frame."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, frames: Tensor, ref_view_strategy: str) -> dict[str, Tensor]:
        assert ref_view_strategy == "middle" and frames.shape[-2:] == (504, 504)
        levels = frames[:, :, 0].mean((2, 3)) * 0.229 + 0.485
        return {"extrinsics": decoded(encodings(levels))[..., :3, :].float()}


def test_depth_anything_3_answers_w2c_relative_to_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = SimpleNamespace(MODEL_REGISTRY={"da3-small": "a file"})
    monkeypatch.setitem(sys.modules, "depth_anything_3", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "depth_anything_3.model.da3", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "depth_anything_3.registry", registry)
    cfg = SimpleNamespace(load_config=lambda path: {}, create_object=lambda config: Da3())
    monkeypatch.setitem(sys.modules, "depth_anything_3.cfg", cfg)
    monkeypatch.setitem(sys.modules, "depth_anything_3.utils.logger", SimpleNamespace(logger=SimpleNamespace()))
    give_weights(monkeypatch, depth_anything_3, depth_anything_3_estimator, {"model.gain": torch.ones(1)})
    levels = torch.rand(3, 4, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255
    oracle = make_da3(batch=2)
    truth = decoded(encodings(levels))
    assert torch.allclose(oracle.estimate(flat_clips(levels), None).w2c, relative_to(truth, truth[:, 0]), atol=1e-4)
    assert oracle.identity()["sha256"] == CATALOGUE["da3-small"].sha256


def test_the_real_vggt_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's own classes, small, with random weights: the calls fit, and the answers are cameras."""
    aggregator = pytest.importorskip("vggt.models.aggregator")
    head = pytest.importorskip("vggt.heads.camera_head")
    rotation = pytest.importorskip("vggt.utils.pose_enc")
    small = partial(aggregator.Aggregator, embed_dim=64, depth=2, num_heads=4, patch_embed="conv")
    short = partial(head.CameraHead, dim_in=128, trunk_depth=1, num_heads=4)
    monkeypatch.setattr(aggregator, "Aggregator", small)
    monkeypatch.setattr(head, "CameraHead", short)
    give_weights(monkeypatch, vggt, vggt_estimator, random_weights(aggregator=small(), camera_head=short()))
    check_real(make_vggt(batch=2))
    encoding = torch.randn(2, 3, 9, generator=torch.Generator().manual_seed(0))
    theirs, _ = rotation.pose_encoding_to_extri_intri(encoding, (518, 518))
    assert torch.allclose(decoded(encoding)[..., :3, :], theirs.double(), atol=1e-5)


def test_the_real_depth_anything_3_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = pytest.importorskip("depth_anything_3.cfg")
    registry = pytest.importorskip("depth_anything_3.registry")
    network = cfg.create_object(cfg.load_config(registry.MODEL_REGISTRY["da3-small"]))
    give_weights(monkeypatch, depth_anything_3, depth_anything_3_estimator, random_weights(model=network))
    check_real(make_da3(batch=1))


def random_weights(**networks: nn.Module) -> dict[str, Tensor]:
    """Tensors under the names of a checkpoint; those of cameras large enough that cameras differ."""
    generator = torch.Generator().manual_seed(0)
    tensors = {f"{part}.{key}": value for part, net in networks.items() for key, value in net.state_dict().items()}
    return {k: torch.randn(v.shape, generator=generator) * 0.1 if "cam" in k else v for k, v in tensors.items()}


def check_real(oracle: Oracle) -> None:
    clips = torch.rand(2, 3, 3, 40, 56, generator=torch.Generator().manual_seed(0))
    w2c = oracle.estimate(clips, None).w2c
    rotations = w2c[..., :3, :3]
    assert w2c.shape == (2, 3, 4, 4) and (w2c[:, 0] - torch.eye(4)).abs().max() < 1e-5
    assert (rotations @ rotations.mT - torch.eye(3)).abs().max() < 1e-5 and (torch.linalg.det(rotations) > 0).all()
    assert (w2c[:, 1] - w2c[:, 2]).abs().max() > 1e-4, "the frames have cameras of their own"
    assert torch.equal(oracle.estimate(clips[1:], None).w2c[0], w2c[1])
