"""The released checkpoints (.pt): what their names mean here. Only names are shared, no code.

Layout as released in October 2025: a dictionary whose "model" holds the weights of all modules by name.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from baselines.rayzer.model import RayZerModel, Split
from baselines.rayzer.network import RayZerNetwork
from evalkit.errors import UserError
from evalkit.weights.model_file import load_exactly, longest_part

# ours -> theirs, up to the next dot
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
IGNORED = "loss_computer."  # the frozen network of their perceptual loss; nothing is rendered with it
RESOLUTION, SPLIT = 256, Split(16, 8)  # of the released configuration; no weight tells them


def official_name(name: str) -> str:
    """What one of our parameters is called in a released checkpoint."""
    part = longest_part(name, _PARTS)
    rest = name.removeprefix(part)
    if part.endswith(".blocks"):
        _, number, inner = rest.split(".", 2)
        within = longest_part(inner, _IN_BLOCK)
        rest = f".{number}.{_IN_BLOCK[within]}{inner.removeprefix(within)}"
    return _PARTS[part] + rest


def read_official(file: Path) -> dict[str, Tensor]:
    """The weights in a released file, by their names there. Raises UserError for anything else."""
    expected = 'expected a released RayZer checkpoint, {"model": weights by name}'
    try:
        read = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"no such weights: {file}; {expected}") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise UserError(f"{file}: cannot be read as tensors alone; {expected}") from error
    state = read.get("model") if isinstance(read, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{file}: no weights under 'model'; {expected}")
    return state


def official_network(state: Mapping[str, Tensor], source: str) -> tuple[RayZerModel, RayZerNetwork]:
    """The network of a released state, and its settings; every name in it has a place, or is of their loss.

    Raises UserError for the first name that is missing or left over, or does not fit in shape.
    """
    model = official_model(state, source)
    with torch.device("meta"):
        network = RayZerNetwork(model)
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
    return model, network


def official_model(state: Mapping[str, Tensor], source: str) -> RayZerModel:
    """The settings of a released state, from the shapes and numbers of its weights."""
    try:
        scene_tokens, width = state["scene_code"].shape
        heads = width // state["transformer_encoder.0.attn.q_norm.weight"].shape[0]
        patch = math.isqrt(state["image_tokenizer.1.weight"].shape[1] // 3)
    except KeyError as error:
        raise UserError(f"{source}: {error} is missing from this RayZer checkpoint") from error
    settings: dict[str, Any] = {"decoder": "tokens", "objective": "images", "pixel": "mse", "perceptual": 0.2}
    settings |= {"positions": "sines", "head_deviation": 1e-3, "head_scale": 1.0, "crop_margin": 0}
    return RayZerModel(
        resolution=RESOLUTION,
        patch=patch,
        width=width,
        heads=heads,
        camera_layers=_layers(state, "transformer_encoder"),
        scene_layers=_layers(state, "transformer_encoder_geom"),
        decoder_layers=_layers(state, "transformer_decoder"),
        scene_tokens=scene_tokens,
        splits=(SPLIT,),
        canonical="middle",
        pose="se3_rays",
        order="camera_first",
        **settings,
    )


def _layers(state: Iterable[str], stack: str) -> int:
    return len({name.split(".")[1] for name in state if name.startswith(f"{stack}.")})


def _fit(value: Tensor, shape: torch.Size) -> Tensor:
    """Their scales of queries and keys are [channels], ours [1, 1, channels]; all else stays as it is."""
    return value.reshape(shape) if shape[:2] == (1, 1) and value.shape == shape[2:] else value
