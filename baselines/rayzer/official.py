"""The released checkpoints (.pt): how their names map to ours. Only names are shared, no code.

Layout as released in October 2025: a dictionary whose "model" holds the weights of all modules by name.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from baselines.rayzer.baseline import RELEASED
from baselines.rayzer.model import RayZerModel
from baselines.rayzer.network import RayZerNetwork
from evalkit.errors import UserError
from evalkit.weights.model_file import load_exactly, longest_part

# Our names -> theirs, up to the next dot.
_PARTS = {
    "embed_patches": "image_tokenizer.1",
    "codes.place": "pe_embedder",
    "codes.rank": "temporal_pe_embedder",
    "camera_token": "cam_code",
    "camera_layers.blocks": "transformer_encoder",
    "camera_head.pose": "pose_predictor.rel_head",
    "camera_head.focal": "pose_predictor.canonical_k_head",
    "context_pose.embed": "target_pose_tokenizer.1",
    "fuse": "mlp_fuse",
    "initial_scene": "scene_code",
    "scene_layers.blocks": "transformer_encoder_geom",
    "renderer.pose.embed": "target_pose_tokenizer2.1",
    "renderer.norm": "decoder_ln",
    "renderer.layers.blocks": "transformer_decoder",
    "renderer.pixels": "image_token_decoder",
}
_IN_BLOCK = {
    "attention_norm": "norm1",
    "query_key_value": "attn.to_qkv",
    "query_norm.scale": "attn.q_norm.weight",
    "key_norm.scale": "attn.k_norm.weight",
    "project": "attn.fc",
    "mlp_norm": "norm2",
    "mlp": "mlp.mlp",
}
IGNORED = "loss_computer."  # the frozen network of their perceptual loss; no part of the model


def official_name(name: str) -> str:
    """The name in a released checkpoint of one of our parameters."""
    part = longest_part(name, _PARTS)
    rest = name.removeprefix(part)
    if part.endswith(".blocks"):
        _, number, inner = rest.split(".", 2)
        inner_part = longest_part(inner, _IN_BLOCK)
        rest = f".{number}.{_IN_BLOCK[inner_part]}{inner.removeprefix(inner_part)}"
    return _PARTS[part] + rest


def read_official(file: Path) -> dict[str, Tensor]:
    """Read the weights of a released file, by their names there. Raises UserError for any other file."""
    expected = 'expected a released RayZer checkpoint, {"model": weights by name}'
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"no such weights: {file}; {expected}") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise UserError(f"{file}: cannot be read as tensors alone; {expected}") from error
    state = checkpoint.get("model") if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{file}: no weights under 'model'; {expected}")
    return state


def official_network(state: Mapping[str, Tensor], source: str) -> RayZerNetwork:
    """Build the network of a released state.

    Raises UserError for the first name that is missing, unknown (but for those of their loss) or of another shape.
    """
    with torch.device("meta"):
        network = RayZerNetwork(official_model(state, source))
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    theirs = {official_name(name): name for name in shapes}
    for key in sorted({*theirs, *state}):
        if key not in state:
            raise UserError(f"{source}: '{key}' is missing from this RayZer checkpoint")
        if key not in theirs and not key.startswith(IGNORED):
            raise UserError(f"{source}: '{key}' is no weight of a released RayZer")
    ours = {name: _fit(state[key], shapes[name]) for key, name in theirs.items()}
    network.to_empty(device="cpu")
    load_exactly(network, ours, source)
    return network


def official_model(state: Mapping[str, Tensor], source: str) -> RayZerModel:
    """The settings of a released state: sizes from the shapes of its weights, all others from `RELEASED`."""
    try:
        scene_tokens, width = state["scene_code"].shape
        heads = width // state["transformer_encoder.0.attn.q_norm.weight"].shape[0]
        patch = math.isqrt(state["image_tokenizer.1.weight"].shape[1] // 3)
    except KeyError as error:
        raise UserError(f"{source}: {error} is missing from this RayZer checkpoint") from error
    sizes = {
        "patch": patch,
        "width": width,
        "heads": heads,
        "camera_layers": _layers(state, "transformer_encoder"),
        "scene_layers": _layers(state, "transformer_encoder_geom"),
        "decoder_layers": _layers(state, "transformer_decoder"),
        "scene_tokens": scene_tokens,
    }
    return RayZerModel(**{**dict(RELEASED), **sizes})


def _layers(state: Iterable[str], stack: str) -> int:
    return len({name.split(".")[1] for name in state if name.startswith(f"{stack}.")})


def _fit(value: Tensor, shape: torch.Size) -> Tensor:
    """Reshape their scales of queries and keys, [channels], to ours, [1, 1, channels]; return others unchanged."""
    return value.reshape(shape) if shape[:2] == (1, 1) and value.shape == shape[2:] else value
