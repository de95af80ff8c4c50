"""XFactor's released checkpoints: read to the last name without JAX, and converted."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from baselines.xfactor.baseline import XFactorOptions
from baselines.xfactor.method import XFactor
from baselines.xfactor.network import XFactorNetwork
from baselines.xfactor.official import official_model, official_name, official_network, read_official
from evalkit.cli.main import app
from evalkit.errors import UserError


def released(width: int, patch: int, heads: int, layers: tuple[int, int], pose: int, tokens: int) -> dict[str, Any]:
    """Names and shapes in a released checkpoint, as the authors' modules give them; nested as there."""

    def dense(*widths: int) -> dict[str, Any]:
        pairs = enumerate(pairwise(widths))
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
    renderer |= {f"MLP2_{i}": dense(inputs, 4 * width, width) for i, inputs in enumerate((pixels + pose, pose))}
    return {"PoseEnc": encoder, "Render": renderer}


def flat(tree: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {path[1:]: tree}
    return {name: leaf for key, below in tree.items() for name, leaf in flat(below, f"{path}/{key}").items()}


def test_every_name_of_the_released_model_has_one_place() -> None:
    shapes = flat(released(1024, 16, 16, (8, 8), 256, 32))
    model = official_model({name: torch.empty(shape, device="meta") for name, shape in shapes.items()}, 1, "there")
    sizes = (model.resolution, model.patch, model.width, model.heads, model.encoder_layers, model.render_layers)
    assert (*sizes, model.pose_dim, model.pose_tokens, model.contexts) == (256, 16, 1024, 16, 8, 8, 256, 32, 1)
    with torch.device("meta"):
        ours = XFactorNetwork(model).state_dict()
    assert sorted(map(official_name, ours)) == sorted(shapes)
    assert all(value.numel() == np.prod(shapes[official_name(name)]) for name, value in ours.items())


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("encoder.layers.7.attention.norms.2.scale", "PoseEnc/layers_7/RMSNorm_2/alpha"),
        ("encoder.layers.0.scales.1", "PoseEnc/layers_0/LayerScale_1/alpha"),
        ("encoder.layers.0.before.weight", "PoseEnc/layers_0/LayerNorm_0/scale"),
        ("renderer.layers.1.mlp.2.bias", "Render/layers_1/MLP2_0/Dense_1/bias"),
        ("renderer.target.0.weight", "Render/MLP2_1/Dense_0/kernel"),
        ("encoder.head.2.weight", "PoseEnc/PoseHead_0/MLP3_0/Dense_1/kernel"),
    ],
)
def test_names_of_like_shape_are_not_swapped(ours: str, theirs: str) -> None:
    assert official_name(ours) == theirs


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
    with pytest.raises(UserError, match=r"no ckpt-<number>\.flax"):
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
