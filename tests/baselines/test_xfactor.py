"""XFactor: what a half of the patches may know, what its latents mean, and what its ablations change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.nn.functional import gelu

from baselines.nn.attention import HeadNorm
from baselines.nn.patches import patchify, unpatchify
from baselines.xfactor.baseline import XFactorOptions
from baselines.xfactor.cameras import camera_of, ray_tokens
from baselines.xfactor.method import TARGETS_AT_ONCE, XFactor
from baselines.xfactor.model import XFactorModel
from baselines.xfactor.network import Layer, PoseEncoder, Renderer, ViewsAttention, XFactorNetwork, whole
from baselines.xfactor.objective import XFactorTrainee, draw_partitions, encoded
from evalkit.card import PoseKind
from evalkit.config.validation import parse
from evalkit.errors import UserError
from evalkit.method import Method
from evalkit.registry import Group, folder_of
from evalkit.training.clip_batch import ClipBatch
from evalkit.views import Views
from evalkit.weights.model_file import write_model

TINY: dict[str, Any] = {
    "resolution": 16,
    "patch": 4,
    "width": 32,
    "heads": 2,
    "encoder_layers": 2,
    "render_layers": 2,
    "pose": "latent",
    "pose_dim": 8,
    "pose_tokens": 3,
    "contexts": 1,
    "joint_encoder": False,
    "objective": "transferable",
    "unmasked": 0.05,
    "annealed": [0, 0],
    "same_target": 0.05,
    "augment": None,
    "perceptual": 0.0,
}
SEGMENTS = torch.from_numpy(draw_partitions(2, 4, np.random.default_rng(1)))
ABLATIONS = sorted((folder_of(Group.BASELINE, "xfactor") / "ablations").glob("*.yaml"))


def tiny(**changes: Any) -> XFactorModel:
    return parse(XFactorModel, TINY | changes)


def lively(model: XFactorModel) -> XFactorTrainee:
    """Weights of which every part matters; by its own start all layers are nearly closed."""
    torch.manual_seed(0)
    trainee = XFactorTrainee(model)
    with torch.no_grad():
        for name, parameter in trainee.named_parameters():
            parameter.add_(0.1 * torch.randn_like(parameter) + (0.3 if "scales" in name else 0))
    return trainee


def networks(model: XFactorModel) -> XFactorNetwork:
    network = lively(model).network
    assert isinstance(network, XFactorNetwork)
    return network


def loaded(folder: Path, model: XFactorModel) -> XFactor:
    file = folder / "weights.safetensors"
    write_model(file, networks(model), "xfactor", model, {"trained_on": "noise"})
    return XFactor(XFactorOptions(name="xfactor", weights=str(file)), "cpu")


def clips(count: int = 2, views: int = 2, seed: int = 0) -> Tensor:
    """ClipBatch [B, V, 3, 16, 16] in [0, 1]."""
    return torch.rand(count, views, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def rendered(method: Method, images: Tensor, context: Tensor, target: Tensor) -> Tensor:
    views = Views(images, tuple("abcdef"[: len(images)]))
    poses = method.encode_poses(views, context)
    return method.render(method.encode_scene(views.take(context), poses.take(context)), poses.take(target))


def only(images: Tensor, segment: int) -> Tensor:
    """Other noise in the patches of one of `SEGMENTS`, the same pixels elsewhere."""
    tokens, noise = patchify(images, 4), patchify(2 * clips(2, images.shape[1], seed=9) - 1, 4)
    index = SEGMENTS[:, segment, None, :, None].expand(-1, images.shape[1], -1, tokens.shape[-1])
    return unpatchify(tokens.scatter(2, index, noise.gather(2, index)), 4, 16, 16)


@pytest.mark.parametrize("changed", [0, 1])
def test_pixels_of_one_half_reach_neither_latent_nor_render_of_the_other(changed: int) -> None:
    network, images = networks(tiny()), 2 * clips(views=3) - 1
    kept = 1 - changed
    with torch.no_grad():
        (before, features), (after, features_after) = (
            network.encoder(x, SEGMENTS) for x in (images, only(images, changed))
        )
        assert torch.equal(before[:, kept], after[:, kept]) and torch.equal(features[:, kept], features_after[:, kept])
        assert (before - after)[:, changed, 1:].abs().amin(-1).max() > 1e-3
        other = before.clone()
        other[:, changed] = after[:, changed]
        pixels = network.renderer(images[:, :-1], before, SEGMENTS)
        for repainted, poses in ((only(images, changed), before), (images, other)):
            parts = patchify((network.renderer(repainted[:, :-1], poses, SEGMENTS) - pixels).abs(), 4).amax(-1)
            assert (parts.gather(1, SEGMENTS[:, kept]) == 0).all()
            assert (parts.gather(1, SEGMENTS[:, changed]) > 1e-4).all()


@pytest.mark.parametrize("changed", [0, 1])
def test_each_half_is_trained_at_the_pose_of_the_other(changed: int) -> None:
    trainee, views = lively(tiny()), clips()
    with torch.no_grad():
        before, after = (
            trainee._rendered(encoded_views, views, SEGMENTS) for encoded_views in (views, only(views, changed))
        )
    parts = patchify((before - after).abs(), 4).amax(-1)
    assert (parts.gather(1, SEGMENTS[:, changed]) == 0).all()
    assert (parts.gather(1, SEGMENTS[:, 1 - changed]) > 1e-4).all()


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("views", [2, 3, 6])
def test_the_reference_has_exactly_no_pose(tmp_path: Path, joint: bool, views: int) -> None:
    model = tiny(joint_encoder=joint)
    with torch.no_grad():
        for segments in (SEGMENTS, whole(2, 16, torch.device("cpu"))):
            poses = encoded(networks(model), 2 * clips(views=views) - 1, segments, joint)
            assert (poses[:, :, 0] == 0).all() and (poses[:, :, 1:].abs().amax(-1) > 0.01).all()
    code = loaded(tmp_path, model).encode_poses(Views(clips(views=views), ("a", "b")), torch.tensor([[0], [1]]))
    assert code.latent is not None and code.features is not None and code.features.shape == (2, views, 64)
    assert ((code.latent == 0).all(-1) == torch.eye(views, dtype=torch.bool)[:2]).all()


class Dense:
    """An independent reading of the paper: all tokens of both halves at once, kept apart by a mask."""

    def __init__(self, segments: Tensor, extra: int) -> None:
        inside = torch.zeros(len(segments), 16, dtype=torch.long).scatter(1, segments[:, 1], 1)
        ids = torch.cat([inside, *(torch.full((len(segments), extra), half) for half in (0, 1))], dim=1)
        place = torch.arange(16)
        rates = 10000.0 ** -(torch.arange(4) / 4)
        angles = torch.cat([(place // 4)[:, None] * rates, (place % 4)[:, None] * rates], dim=1)
        self.inside, self.ids = inside, ids
        self.angles = torch.cat([angles, torch.zeros(2 * extra, 8)])

    def layer(self, layer: Layer, x: Tensor) -> Tensor:
        x = x + layer.scales[0] * self.attention(layer.attention, layer.before(x))
        hidden = layer.mlp(gelu(layer.between(x), approximate="tanh"))
        return torch.addcmul(x, layer.scales[1], hidden)

    def attention(self, attention: ViewsAttention, x: Tensor) -> Tensor:
        views, tokens = x.shape[1:3]
        parts = attention.project(x).reshape(len(x), views * tokens, 6, 2, 16).unbind(2)  # six of [N, V T, heads, c]
        norms = [norm.scale[:, 0] for norm in attention.norms if isinstance(norm, HeadNorm)]
        turned = [self.turned(parts[i], norm, views) for i, norm in zip((0, 1, 3, 4), norms, strict=True)]
        ids = self.ids.repeat(1, views)
        view = torch.arange(views).repeat_interleave(tokens)
        alike = ids[:, :, None] == ids[:, None]
        among = self.softmax(turned[0], turned[1], parts[2], alike)
        within = self.softmax(turned[2], turned[3], parts[5], alike & (view[:, None] == view))
        merged: Tensor = attention.merge(torch.cat([among, within], dim=-1))
        return merged.reshape(x.shape)

    def turned(self, x: Tensor, scale: Tensor, views: int) -> Tensor:
        x = scale * x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        turn = torch.polar(torch.ones_like(self.angles), self.angles).repeat(views, 1)[:, None]
        pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], 8, 2))
        return torch.view_as_real(pairs * turn).flatten(-2)

    @staticmethod
    def softmax(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor) -> Tensor:
        scores = torch.einsum("nqhc,nkhc->nhqk", query, key) / 4
        weights = scores.masked_fill(~allowed[:, None], -torch.inf).softmax(-1)
        return torch.einsum("nhqk,nkhc->nqhc", weights, value).flatten(-2)

    def poses(self, encoder: PoseEncoder, images: Tensor) -> Tensor:
        learnt = encoder.pose_tokens.expand(len(images), images.shape[1], -1, -1)
        x = torch.cat([encoder.embed(patchify(images, 4)), learnt, learnt], dim=2)
        for layer in encoder.layers:
            assert isinstance(layer, Layer)
            x = self.layer(layer, x)
        read = gelu(encoder.norm(x[:, :, [16, 19]]), approximate="tanh").transpose(1, 2)  # [N, 2, V, C]
        first = read[:, :, :1].expand_as(read)
        heads = [encoder.head(torch.cat([token, first], dim=-1)) for token in (read, first)]
        return heads[0] - heads[1]  # type: ignore[no-any-return]

    def image(self, renderer: Renderer, context: Tensor, poses: Tensor) -> Tensor:
        poses_of_patches = poses[torch.arange(len(poses))[:, None], self.inside].transpose(1, 2)  # [N, V, T, P]
        x = torch.cat([patchify(context, 4), poses_of_patches[:, :-1]], dim=-1)
        x = torch.cat([renderer.context(x), renderer.target(poses_of_patches[:, -1:])], dim=1)
        for layer in renderer.layers:
            assert isinstance(layer, Layer)
            x = self.layer(layer, x)
        tokens = renderer.head(gelu(renderer.norm(x[:, -1]), approximate="tanh")).sigmoid()
        return unpatchify(tokens, 4, 16, 16)


@pytest.mark.parametrize("views", [2, 4])
def test_folding_by_halves_is_attention_under_a_mask(views: int) -> None:
    network, images = networks(tiny()), 2 * clips(views=views) - 1
    with torch.no_grad():
        poses, _ = network.encoder(images, SEGMENTS)
        assert torch.allclose(poses, Dense(SEGMENTS, 3).poses(network.encoder, images), atol=1e-5)
        image = network.renderer(images[:, :-1], poses.flip(1), SEGMENTS)
        dense = Dense(SEGMENTS, 0).image(network.renderer, images[:, :-1], poses.flip(1))
    assert torch.allclose(image, dense, atol=1e-5) and image.std() > 0.01


def test_halves_are_two_quadrants_and_the_two_others_in_all_six_ways() -> None:
    drawn = draw_partitions(600, 4, np.random.default_rng(0))
    assert (np.sort(drawn.reshape(600, 16)) == np.arange(16)).all()
    quadrant = np.array([["a", "b"], ["c", "d"]]).repeat(2, 0).repeat(2, 1).flatten()
    first, counts = np.unique(["".join(sorted(set(quadrant[half]))) for half in drawn[:, 0]], return_counts=True)
    assert list(first) == ["ab", "ac", "ad", "bc", "bd", "cd"] and counts.min() > 70 and counts.max() < 130
    with pytest.raises(ValueError, match="halved"):
        draw_partitions(1, 5, np.random.default_rng(0))


@pytest.mark.parametrize("contexts", [1, 3])
def test_samples_and_targets_do_not_depend_on_each_other(tmp_path: Path, contexts: int) -> None:
    method, images = loaded(tmp_path, tiny(contexts=contexts)), clips(3, contexts + TARGETS_AT_ONCE + 1)
    context = torch.arange(contexts).expand(3, -1)
    target = torch.arange(contexts, images.shape[1]).expand(3, -1)
    together = rendered(method, images, context, target)
    alone = [rendered(method, images[i : i + 1], context[:1], target[:1]) for i in range(3)]
    assert torch.allclose(torch.cat(alone), together, atol=1e-6)
    assert torch.allclose(rendered(method, images, context, target[:, -1:]), together[:, -1:], atol=1e-6)
    assert (together[:, 0] - together[:, 1]).abs().amax((1, 2, 3)).min() > 0.01


def test_sizes_are_those_of_the_released_networks() -> None:
    sizes = {"resolution": 256, "patch": 16, "width": 1024, "heads": 16, "encoder_layers": 8, "render_layers": 8}
    with torch.device("meta"):
        network = XFactorNetwork(tiny(**sizes, pose_dim=256, pose_tokens=32))
    counts = [sum(parameter.numel() for parameter in part.parameters()) for part in (network.encoder, network.renderer)]
    assert counts == [148_013_312, 157_165_312]


def pans() -> Tensor:
    """Four pairs from windows that slide over wide, soft pictures."""
    coarse = torch.rand(4, 3, 4, 8, generator=torch.Generator().manual_seed(0))
    wide = nn.functional.interpolate(coarse, size=(16, 32), mode="bilinear")
    return torch.stack([wide[..., :16], wide[..., 6:22]], dim=1)


def test_a_trained_model_renders_the_same_from_its_file(tmp_path: Path) -> None:
    """60 steps on one batch more than halve the loss; the file gives what the network gives in half precision."""
    torch.manual_seed(0)
    model, batch = tiny(), pans()
    trainee = XFactorTrainee(model)
    optimizer = torch.optim.AdamW(trainee.parameters(), 6e-3)
    losses = []
    for _ in range(60):
        numbers = trainee(ClipBatch(batch), np.random.default_rng(0), 0.0)
        optimizer.zero_grad()
        numbers["loss"].backward()
        optimizer.step()
        losses.append(float(numbers["loss"].detach()))
    assert losses[-1] < 0.5 * losses[0], losses
    network, images = trainee.network, 2 * batch - 1
    assert isinstance(network, XFactorNetwork)
    write_model(tmp_path / "m.safetensors", network, "xfactor", model, {})
    method = XFactor(XFactorOptions(name="xfactor", weights=str(tmp_path / "m.safetensors")), "cpu")
    everything = whole(len(batch), 16, batch.device)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half())
        expected = network.renderer(images[:, :1], network.encoder(images, everything)[0], everything)
    first, second = torch.zeros(4, 1, dtype=torch.long), torch.ones(4, 1, dtype=torch.long)
    assert torch.allclose(rendered(method, batch, first, second)[:, 0], expected, atol=1e-6)


def test_no_motion_is_the_identity_camera_and_its_rays_are_finite() -> None:
    identity = camera_of(torch.zeros(2, 3, 9))
    assert torch.allclose(identity, torch.eye(4).expand(2, 3, 4, 4), atol=1e-7)
    moved = camera_of(torch.randn(50, 9, generator=torch.Generator().manual_seed(0)))
    assert torch.allclose(moved[:, :3, :3].mT @ moved[:, :3, :3], torch.eye(3).expand(50, 3, 3), atol=1e-5)
    rays = ray_tokens(torch.cat([identity.flatten(0, 1), moved]), 16, 4)
    assert rays.shape == (56, 16, 96) and rays.isfinite().all()
    moment, direction = unpatchify(rays, 4, 16, 16).chunk(2, dim=1)
    assert (moment[:6] == 0).all() and torch.allclose(direction.norm(dim=1), torch.ones(56, 16, 16), atol=1e-5)


def test_other_numbers_of_context_views_are_refused(tmp_path: Path) -> None:
    method, views = loaded(tmp_path, tiny(contexts=5)), Views(clips(views=4), ("a", "b"))
    assert method.card.context_views == frozenset({5}) and method.card.trained_on == "noise"
    assert method.card.pose is PoseKind.LATENT and method.card.resolution == 16
    poses = method.encode_poses(views, torch.arange(4).expand(2, -1))
    with pytest.raises(UserError, match="5 context views, got 4"):
        method.encode_scene(views, poses)


@pytest.mark.parametrize("file", ABLATIONS, ids=lambda file: str(file.stem))
def test_every_ablation_learns_and_renders(tmp_path: Path, file: Path) -> None:
    model = tiny(**yaml.safe_load(file.read_text())["model"])
    trainee = lively(model)
    rng = np.random.default_rng(0)
    assert trainee.views(rng) == model.contexts + 1
    numbers = trainee(ClipBatch(clips(4, model.contexts + 1)), rng, 0.0)
    numbers["loss"].backward()
    grads = {name: weight.grad for name, weight in trainee.network.named_parameters()}
    without_gradient = [
        name for name, grad in grads.items() if grad is None or not grad.isfinite().all() or not grad.any()
    ]
    assert without_gradient == ["encoder.head.4.bias"]  # a pose is a difference of two outputs
    method, context = loaded(tmp_path, model), torch.arange(model.contexts).expand(2, -1)
    image = rendered(method, clips(2, model.contexts + 1), context, torch.full((2, 1), model.contexts))
    assert image.shape == (2, 1, 3, 16, 16) and image.isfinite().all() and isinstance(method, Method)


def test_there_are_all_ablations_of_table_3_and_the_second_stage() -> None:
    assert len(ABLATIONS) == 6
