"""XFactor: what a half of the patches may know, what its latents mean, and what its files hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.nn.functional import gelu
from typer.testing import CliRunner

import evalkit
from baselines.nn.attention import HeadNorm
from baselines.nn.patches import patchify, unpatchify
from baselines.xfactor.cameras import camera_of, ray_tokens
from baselines.xfactor.method import TARGETS_AT_ONCE, XFactor, XFactorOptions
from baselines.xfactor.model import XFactorModel
from baselines.xfactor.network import Layer, PoseEncoder, Renderer, ViewsAttention, XFactorNetwork, whole
from baselines.xfactor.objective import XFactorTrainee, drawn_partitions, encoded
from baselines.xfactor.official import official_name, official_network, read_official
from evalkit.cli.main import app
from evalkit.config.schema import parse
from evalkit.errors import UserError
from evalkit.method import Method, PoseKind
from evalkit.training.clips import Clips
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
PAPER = TINY | {"resolution": 256, "patch": 16, "width": 1024, "heads": 16, "pose_dim": 256, "pose_tokens": 32}
PAPER |= {"encoder_layers": 8, "render_layers": 8}
SEGMENTS = torch.from_numpy(drawn_partitions(2, 4, np.random.default_rng(1)))
ABLATIONS = sorted(Path(str(evalkit.__file__)).parent.glob("config/ablation/xfactor_*.yaml"))


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


def loaded(folder: Path, model: XFactorModel) -> XFactor:
    file = folder / "weights.safetensors"
    write_model(file, lively(model).network, "xfactor", model, {"trained_on": "noise"})
    return XFactor(XFactorOptions(name="xfactor", weights=str(file)), "cpu")


def clips(count: int = 2, views: int = 2, seed: int = 0) -> Tensor:
    """Clips [B, V, 3, 16, 16] in [0, 1]."""
    return torch.rand(count, views, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def seen(method: Method, images: Tensor, context: Tensor, target: Tensor) -> Tensor:
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
    network, images = lively(tiny()).network, 2 * clips(views=3) - 1
    kept = 1 - changed
    with torch.no_grad():
        (before, told), (after, retold) = (network.encoder(x, SEGMENTS) for x in (images, only(images, changed)))
        assert torch.equal(before[:, kept], after[:, kept]) and torch.equal(told[:, kept], retold[:, kept])
        assert (before - after)[:, changed, 1:].abs().amin(-1).max() > 1e-3
        other = before.clone()
        other[:, changed] = after[:, changed]
        pixels = network.renderer(images[:, :-1], before, SEGMENTS)
        for repainted, poses in ((only(images, changed), before), (images, other)):
            parts = patchify((network.renderer(repainted[:, :-1], poses, SEGMENTS) - pixels).abs(), 4).amax(-1)
            assert (parts.gather(1, SEGMENTS[:, kept]) == 0).all()
            assert (parts.gather(1, SEGMENTS[:, changed]) > 1e-4).all()


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("views", [2, 3, 6])
def test_the_reference_has_exactly_no_pose(tmp_path: Path, joint: bool, views: int) -> None:
    model = tiny(joint_encoder=joint)
    with torch.no_grad():
        for segments in (SEGMENTS, whole(2, 16, torch.device("cpu"))):
            poses = encoded(lively(model).network, 2 * clips(views=views) - 1, segments, joint)
            assert (poses[:, :, 0] == 0).all() and (poses[:, :, 1:].abs().amax(-1) > 0.01).all()
    found = loaded(tmp_path, model).encode_poses(Views(clips(views=views), ("a", "b")), torch.tensor([[0], [1]]))
    assert found.latent is not None and found.features is not None and found.features.shape == (2, views, 64)
    assert ((found.latent == 0).all(-1) == torch.eye(views, dtype=torch.bool)[:2]).all()


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
        hidden: Tensor = layer.mlp(gelu(layer.between(x), approximate="tanh"))
        return x + layer.scales[1] * hidden

    def attention(self, attention: ViewsAttention, x: Tensor) -> Tensor:
        count, views, tokens, _ = x.shape
        parts = attention.project(x).unflatten(-1, (6, 2, 16)).flatten(1, 2).unbind(2)  # six of [N, V T, heads, c]
        norms = [norm.scale[:, 0] for norm in attention.norms if isinstance(norm, HeadNorm)]
        turned = [self.turned(parts[i], norm, views) for i, norm in zip((0, 1, 3, 4), norms, strict=True)]
        ids = self.ids.repeat(1, views)
        view = torch.arange(views).repeat_interleave(tokens)
        alike = ids[:, :, None] == ids[:, None]
        among = self.softmax(turned[0], turned[1], parts[2], alike)
        within = self.softmax(turned[2], turned[3], parts[5], alike & (view[:, None] == view))
        merged: Tensor = attention.merge(torch.cat([among, within], dim=-1))
        return merged.unflatten(1, (views, tokens))

    def turned(self, x: Tensor, scale: Tensor, views: int) -> Tensor:
        x = scale * x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        turn = torch.polar(torch.ones_like(self.angles), self.angles).repeat(views, 1)[:, None]
        return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (8, 2)).contiguous()) * turn).flatten(-2)

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
        heads = [encoder.head(torch.cat([each, first], dim=-1)) for each in (read, first)]
        return heads[0] - heads[1]  # type: ignore[no-any-return]

    def image(self, renderer: Renderer, context: Tensor, poses: Tensor) -> Tensor:
        told = poses[torch.arange(len(poses))[:, None], self.inside].transpose(1, 2)  # [N, V, T, P]
        x = torch.cat([patchify(context, 4), told[:, :-1]], dim=-1)
        x = torch.cat([renderer.context(x), renderer.target(told[:, -1:])], dim=1)
        for layer in renderer.layers:
            assert isinstance(layer, Layer)
            x = self.layer(layer, x)
        tokens = renderer.head(gelu(renderer.norm(x[:, -1]), approximate="tanh")).sigmoid()
        return unpatchify(tokens, 4, 16, 16)


@pytest.mark.parametrize("views", [2, 4])
def test_folding_by_halves_is_attention_under_a_mask(views: int) -> None:
    network, images = lively(tiny()).network, 2 * clips(views=views) - 1
    with torch.no_grad():
        poses, _ = network.encoder(images, SEGMENTS)
        assert torch.allclose(poses, Dense(SEGMENTS, 3).poses(network.encoder, images), atol=1e-5)
        image = network.renderer(images[:, :-1], poses.flip(1), SEGMENTS)
        dense = Dense(SEGMENTS, 0).image(network.renderer, images[:, :-1], poses.flip(1))
    assert torch.allclose(image, dense, atol=1e-5) and image.std() > 0.01


def test_halves_are_two_quadrants_and_the_two_others_in_all_six_ways() -> None:
    drawn = drawn_partitions(600, 4, np.random.default_rng(0))
    assert (np.sort(drawn.reshape(600, 16)) == np.arange(16)).all()
    quadrant = np.array([["a", "b"], ["c", "d"]]).repeat(2, 0).repeat(2, 1).flatten()
    first, counts = np.unique(["".join(sorted(set(quadrant[half]))) for half in drawn[:, 0]], return_counts=True)
    assert list(first) == ["ab", "ac", "ad", "bc", "bd", "cd"] and counts.min() > 70 and counts.max() < 130
    with pytest.raises(ValueError, match="halved"):
        drawn_partitions(1, 5, np.random.default_rng(0))


@pytest.mark.parametrize("contexts", [1, 3])
def test_samples_and_targets_do_not_depend_on_each_other(tmp_path: Path, contexts: int) -> None:
    method, images = loaded(tmp_path, tiny(contexts=contexts)), clips(3, contexts + TARGETS_AT_ONCE + 1)
    context = torch.arange(contexts).expand(3, -1)
    target = torch.arange(contexts, images.shape[1]).expand(3, -1)
    together = seen(method, images, context, target)
    alone = [seen(method, images[i : i + 1], context[:1], target[:1]) for i in range(3)]
    assert torch.allclose(torch.cat(alone), together, atol=1e-6)
    assert torch.allclose(seen(method, images, context, target[:, -1:]), together[:, -1:], atol=1e-6)
    assert (together[:, 0] - together[:, 1]).abs().amax((1, 2, 3)).min() > 0.01


def test_sizes_are_those_of_the_released_networks() -> None:
    with torch.device("meta"):
        network = XFactorNetwork(parse(XFactorModel, PAPER))
    counts = [sum(each.numel() for each in part.parameters()) for part in (network.encoder, network.renderer)]
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
        numbers = trainee(Clips(batch), np.random.default_rng(0), 0.0)
        optimizer.zero_grad()
        numbers["loss"].backward()
        optimizer.step()
        losses.append(float(numbers["loss"].detach()))
    assert losses[-1] < 0.5 * losses[0], losses
    write_model(tmp_path / "m.safetensors", trainee.network, "xfactor", model, {})
    method = XFactor(XFactorOptions(name="xfactor", weights=str(tmp_path / "m.safetensors")), "cpu")
    network, images = trainee.half().float().network, 2 * batch - 1
    everything = whole(len(batch), 16, batch.device)
    with torch.no_grad():
        expected = network.renderer(images[:, :1], network.encoder(images, everything)[0], everything)
    first, second = torch.zeros(4, 1, dtype=torch.long), torch.ones(4, 1, dtype=torch.long)
    assert torch.allclose(seen(method, batch, first, second)[:, 0], expected, atol=1e-6)


def test_no_motion_is_the_identity_camera_and_its_rays_are_finite() -> None:
    still = camera_of(torch.zeros(2, 3, 9))
    assert torch.allclose(still, torch.eye(4).expand(2, 3, 4, 4), atol=1e-7)
    moved = camera_of(torch.randn(50, 9, generator=torch.Generator().manual_seed(0)))
    assert torch.allclose(moved[:, :3, :3].mT @ moved[:, :3, :3], torch.eye(3).expand(50, 3, 3), atol=1e-5)
    rays = ray_tokens(torch.cat([still.flatten(0, 1), moved]), 16, 4)
    assert rays.shape == (56, 16, 96) and rays.isfinite().all()
    moment, direction = unpatchify(rays, 4, 16, 16).split(3, dim=1)
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
    numbers = trainee(Clips(clips(4, model.contexts + 1)), rng, 0.0)
    numbers["loss"].backward()
    grads = {name: each.grad for name, each in trainee.network.named_parameters()}
    still = [name for name, grad in grads.items() if grad is None or not grad.isfinite().all() or not grad.any()]
    assert still == ["encoder.head.4.bias"]  # a pose is a difference of two outputs
    method, context = loaded(tmp_path, model), torch.arange(model.contexts).expand(2, -1)
    image = seen(method, clips(2, model.contexts + 1), context, torch.full((2, 1), model.contexts))
    assert image.shape == (2, 1, 3, 16, 16) and image.isfinite().all() and isinstance(method, Method)


def test_there_are_all_ablations_of_table_3_and_the_second_stage() -> None:
    assert len(ABLATIONS) == 6


def released(width: int, patch: int, heads: int, layers: tuple[int, int], pose: int, tokens: int) -> dict[str, Any]:
    """Names and shapes in a released checkpoint, as the authors' modules give them; nested as there."""

    def dense(*widths: int) -> dict[str, Any]:
        pairs = enumerate(zip(widths, widths[1:], strict=False))
        return {f"Dense_{i}": {"kernel": pair, "bias": pair[1:]} for i, pair in pairs}

    norm = {"scale": (width,), "bias": (width,)}
    layer = {
        "LayerNorm_0": {"scale": (width,)},
        "Dense_0": {"kernel": (width, 6 * width)},
        "Dense_1": {"kernel": (2 * width, width), "bias": (width,)},
        "LayerNorm_1": norm,
        "MLP2_0": dense(width, 4 * width, width),
        **{f"RMSNorm_{i}": {"alpha": (heads, width // heads)} for i in range(4)},
        **{f"LayerScale_{i}": {"alpha": (width,)} for i in range(2)},
    }
    pixels, stacks = 3 * patch**2, [{f"layers_{i}": layer for i in range(count)} for count in layers]
    encoder = {"LayerNorm_0": norm, "global_embed": (tokens, width), **dense(pixels, width), **stacks[0]}
    renderer = {"LayerNorm_0": norm, "MLP3_0": dense(width, 4 * width, width, pixels), **stacks[1]}
    encoder["PoseHead_0"] = {"MLP3_0": dense(2 * width, 4 * width, width, pose)}
    renderer |= {f"MLP2_{i}": dense(seen, 4 * width, width) for i, seen in enumerate((pixels + pose, pose))}
    return {"PoseEnc": encoder, "Render": renderer}


def flat(tree: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {path[1:]: tree}
    return {name: leaf for key, below in tree.items() for name, leaf in flat(below, f"{path}/{key}").items()}


def test_every_name_of_the_released_model_has_one_place() -> None:
    shapes = flat(released(1024, 16, 16, (8, 8), 256, 32))
    with torch.device("meta"):
        ours = XFactorNetwork(parse(XFactorModel, PAPER)).state_dict()
    assert sorted(map(official_name, ours)) == sorted(shapes)
    assert all(value.numel() == np.prod(shapes[official_name(name)]) for name, value in ours.items())


def packed(tree: Any) -> bytes:
    """As Flax writes a state: arrays as extension 1, scalars as 3."""

    def extension(value: Any) -> msgpack.ExtType:
        array = np.asarray(value)
        content = msgpack.packb((array.shape, array.dtype.name, array.tobytes()), use_bin_type=True)
        return msgpack.ExtType(1 if isinstance(value, np.ndarray) else 3, content)

    return msgpack.packb(tree, default=extension, strict_types=True)  # type: ignore[no-any-return]


def filled(tree: Any, rng: np.random.Generator) -> Any:
    if isinstance(tree, dict):
        return {name: filled(below, rng) for name, below in tree.items()}
    return rng.normal(0, 0.1, tree).astype(np.float32)


def checkpoint(folder: Path, number: int, **more: Any) -> dict[str, Any]:
    """Write a small training state; its weights."""
    params = filled(released(16, 64, 2, (2, 1), 8, 5), np.random.default_rng(number))
    large = params["Render"]["MLP3_0"]["Dense_2"]["kernel"]
    chunks = {str(i): part for i, part in enumerate(np.array_split(large.reshape(-1), 3))}
    shape = {str(i): size for i, size in enumerate(large.shape)}
    written = {"PoseEnc": params["PoseEnc"], "Render": dict(params["Render"])}
    written["Render"]["MLP3_0"] = dict(params["Render"]["MLP3_0"])
    written["Render"]["MLP3_0"]["Dense_2"] = {
        **params["Render"]["MLP3_0"]["Dense_2"],
        "kernel": {"__msgpack_chunked_array__": True, "shape": shape, "chunks": chunks},
    }
    state = {"step": number, "opt_state": {"0": {"mu": params}}, "params": written, "key": np.uint32(1)} | more
    folder.mkdir(exist_ok=True)
    (folder / f"ckpt-{number}.flax").write_bytes(packed(state))
    return flat(params)


def test_a_released_checkpoint_is_read_to_the_last_name(tmp_path: Path) -> None:
    checkpoint(tmp_path, 9)
    theirs = checkpoint(tmp_path, 10, lpips_params={"x": np.zeros(3)}, multi_steps=1, train_metrics={}, eval_metrics={})
    state = read_official(tmp_path)
    assert state.keys() == theirs.keys() and all(np.array_equal(state[key], theirs[key]) for key in theirs)
    model, network = official_network(state, 5, "there")
    ours = network.state_dict()
    assert (model.patch, model.width, model.heads, model.pose_dim, model.pose_tokens) == (64, 16, 2, 8, 5)
    assert (model.encoder_layers, model.render_layers, model.contexts, model.resolution) == (2, 1, 5, 256)
    back = {official_name(name): value.squeeze(1) if "norms" in name else value for name, value in ours.items()}
    assert all(torch.equal(back[key].mT if "kernel" in key else back[key], state[key]) for key in state)

    bias = "Render/LayerNorm_0/bias"
    with pytest.raises(UserError, match="'PoseEnc/aaa' has no place"):
        official_network(state | {"PoseEnc/aaa": torch.zeros(1)}, 1, "there")
    with pytest.raises(UserError, match=f"'{bias}' is missing"):
        official_network({key: value for key, value in state.items() if key != bias}, 1, "there")
    with pytest.raises(UserError, match=r"is \[3\], expected \[16\]"):
        official_network(state | {bias: torch.zeros(3)}, 1, "there")


def test_what_is_no_released_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no ckpt-<number>.flax"):
        read_official(tmp_path)
    checkpoint(tmp_path / "other", 1, ema={"x": 1})
    with pytest.raises(UserError, match="'ema' has no place"):
        read_official(tmp_path / "other")
    file = tmp_path / "ckpt-1.flax"
    checkpoint(tmp_path, 1)
    whole_file = file.read_bytes()
    for content in (b"", b"\x93\x01\x02\x03", whole_file[: len(whole_file) // 2], packed({"step": 1})):
        file.write_bytes(content)
        with pytest.raises(UserError, match="expected a released XFactor checkpoint"):
            read_official(file)


def test_converted_weights_render_as_they_are(tmp_path: Path) -> None:
    checkpoint(tmp_path / "checkpoints-0", 3)
    out = tmp_path / "converted.safetensors"
    command = ["weights", "convert", "xfactor", str(tmp_path / "checkpoints-0"), "--views", "1", "--out", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0 and f"baseline.weights={out}" in result.output, result.output
    method = XFactor(XFactorOptions(name="xfactor", weights=str(out)), "cpu")
    _, network = official_network(read_official(tmp_path / "checkpoints-0"), 1, "there")
    for name, value in network.state_dict().items():
        assert torch.equal(method.network.state_dict()[name], value)
    assert method.card.trained_on.endswith("(released)") and method.card.licence == "as released: none stated"
    refused = CliRunner().invoke(app, ["weights", "convert", "static", *command[3:]])
    assert isinstance(refused.exception, UserError) and "xfactor" in str(refused.exception)
