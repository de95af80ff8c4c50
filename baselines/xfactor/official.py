"""The released checkpoints (Flax, msgpack), read without JAX: how their names map to ours. Only names are shared.

`clu.checkpoint` writes a folder ``checkpoints-0`` with a file ``ckpt-<number>.flax``: a msgpack map of the state of the
training, of which "params" holds {"PoseEnc": ..., "Render": ...}. Flax packs an array as extension type 1, holding
(shape, name of the type, bytes), and one above 1 GiB as a map of flat chunks (flax/serialization.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgpack
import torch
from torch import Tensor

from baselines.xfactor.model import XFactorModel
from baselines.xfactor.network import XFactorNetwork
from evalkit.data.augment_options import AugmentOptions
from evalkit.errors import UserError
from evalkit.weights.model_file import load_exactly, longest_part, write_model

WEIGHTS = "params"
# The optimiser, the frozen network of their perceptual loss, counters and means: no part of the model.
IGNORED = frozenset({"step", "opt_state", "lpips_params", "key", "multi_steps", "train_metrics", "eval_metrics"})
RESOLUTION = 256  # not in the weights; the settings that follow are those of the released configurations
AUGMENT = AugmentOptions(
    jitter=0.9, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05, blur=0.3, sigma=(0.1, 2.0), kernel=7
)
PERCEPTUAL = 0.25  # theirs is 0.5 beside an L1 of images in [-1, 1], which is twice ours
UNMASKED = 0.05
SAME_TARGET, SAME_TARGET_OF_SEVERAL = 0.05, 0.02
TRAINING = {"trained_on": "RE10K, DL3DV, MVImgNet, CO3Dv2 (released)", "licence": "as released: none stated"}

_ARRAY, _CHUNKED = 1, "__msgpack_chunked_array__"
_TYPES = {b"float32": torch.float32, b"float16": torch.float16, b"bfloat16": torch.bfloat16, b"float64": torch.float64}
_EXPECTED = "expected a released XFactor checkpoint: the folder checkpoints-0 with its ckpt-<number>.flax"

# Our names -> theirs, up to the next dot.
_PARTS = {
    "encoder.embed": "PoseEnc/Dense_0",
    "encoder.pose_tokens": "PoseEnc/global_embed",
    "encoder.layers": "PoseEnc",
    "encoder.norm": "PoseEnc/LayerNorm_0",
    "encoder.head": "PoseEnc/PoseHead_0/MLP3_0",
    "renderer.context": "Render/MLP2_0",
    "renderer.target": "Render/MLP2_1",
    "renderer.layers": "Render",
    "renderer.norm": "Render/LayerNorm_0",
    "renderer.head": "Render/MLP3_0",
}
_IN_LAYER = {
    "before": "LayerNorm_0",
    "attention.project": "Dense_0",
    **{f"attention.norms.{i}": f"RMSNorm_{i}" for i in range(4)},
    "attention.merge": "Dense_1",
    "between": "LayerNorm_1",
    "mlp": "MLP2_0",
    **{f"scales.{i}": f"LayerScale_{i}/alpha" for i in range(2)},
}


def official_name(name: str) -> str:
    """The name in a released checkpoint of one of our parameters: its path there, joined by slashes.

    >>> official_name("encoder.layers.3.mlp.2.weight")
    'PoseEnc/layers_3/MLP2_0/Dense_1/kernel'
    """
    part = longest_part(name, _PARTS)
    theirs, rest = _PARTS[part], name.removeprefix(part)
    if part.endswith(".layers"):
        _, number, inner = rest.split(".", 2)
        inner_part = longest_part(inner, _IN_LAYER)
        theirs, rest = f"{theirs}/layers_{number}/{_IN_LAYER[inner_part]}", inner.removeprefix(inner_part)
    *linear, leaf = rest.removeprefix(".").split(".")
    for position in linear:  # ours counts the activations between the linear layers too
        theirs += f"/Dense_{int(position) // 2}"
    weight = "scale" if "LayerNorm" in theirs.rpartition("/")[2] else "kernel"
    suffixes = {"": "", "weight": f"/{weight}", "bias": "/bias", "scale": "/alpha"}
    return theirs + suffixes[leaf]


def read_official(folder: Path) -> dict[str, Tensor]:
    """Read the weights of the latest checkpoint of a folder, or of a file, by their names there.

    The state of the optimiser, which is twice as large, is skipped. Raises UserError for any other file.
    """
    file = _latest(folder)
    weights: dict[str, Tensor] = {}
    try:
        with file.open("rb") as opened:
            unpacker = msgpack.Unpacker(opened, ext_hook=_array, strict_map_key=False, max_buffer_size=0)
            for _ in range(unpacker.read_map_header()):
                field = unpacker.unpack()
                if field == WEIGHTS:
                    weights = dict(_flat(unpacker.unpack(), ""))
                elif field in IGNORED:
                    unpacker.skip()
                else:
                    raise UserError(f"{file}: '{field}' has no place in an XFactor checkpoint; {_EXPECTED}")
    except (OSError, ValueError, RuntimeError, msgpack.UnpackException) as error:
        raise UserError(f"{file}: cannot be read as Flax writes it ({error}); {_EXPECTED}") from error
    if not weights:
        raise UserError(f"{file}: no weights under '{WEIGHTS}'; {_EXPECTED}")
    return weights


def convert(folder: Path, file: Path, contexts: int) -> None:
    """Write a released checkpoint as a model file, in single precision: half precision changes latents by over 1e-3.

    ``contexts`` as in `official_network`. Raises UserError where ``folder`` holds no such checkpoint.
    """
    model, network = official_network(read_official(folder), contexts, str(folder))
    write_model(file, network, "xfactor", model, TRAINING, torch.float32)


def official_network(state: Mapping[str, Tensor], contexts: int, source: str) -> tuple[XFactorModel, XFactorNetwork]:
    """Build the network of a released state; return its settings and the network.

    ``contexts``: 1 for the stereo-monocular checkpoint, 5 for the multi-view one; their weights have the same shapes.
    Raises UserError for the first name that is missing, unknown or of another shape.
    """
    model = official_model(state, contexts, source)
    with torch.device("meta"):
        names = list(XFactorNetwork(model).state_dict())
    theirs = {official_name(name): name for name in names}
    for key in sorted({*theirs, *state}):
        if key not in state:
            raise UserError(f"{source}: '{key}' is missing from this XFactor checkpoint")
        if key not in theirs:
            raise UserError(f"{source}: '{key}' has no place in XFactor")
    network = XFactorNetwork(model)
    load_exactly(network, {name: _as_ours(state[key], key) for key, name in theirs.items()}, source)
    return model, network


def official_model(state: Mapping[str, Tensor], contexts: int, source: str) -> XFactorModel:
    """The settings of a released state: sizes from the shapes of its weights, the rest from their configurations."""
    try:
        values, width = state["PoseEnc/Dense_0/kernel"].shape
        heads = state["PoseEnc/layers_0/RMSNorm_0/alpha"].shape[0]
        pose_dim = state["PoseEnc/PoseHead_0/MLP3_0/Dense_2/kernel"].shape[1]
        pose_tokens = state["PoseEnc/global_embed"].shape[0]
    except (KeyError, ValueError, IndexError) as error:
        raise UserError(f"{source}: {error} is missing from this XFactor checkpoint, or of another shape") from error
    return XFactorModel(
        resolution=RESOLUTION,
        patch=round((values / 3) ** 0.5),
        width=width,
        heads=heads,
        encoder_layers=_layers(state, "PoseEnc"),
        render_layers=_layers(state, "Render"),
        pose="latent",
        pose_dim=pose_dim,
        pose_tokens=pose_tokens,
        contexts=contexts,
        joint_encoder=False,
        objective="transferable",
        unmasked=UNMASKED,
        annealed=(0.0, 0.0),
        same_target=SAME_TARGET if contexts == 1 else SAME_TARGET_OF_SEVERAL,
        augment=AUGMENT,
        perceptual=PERCEPTUAL,
    )


def _latest(folder: Path) -> Path:
    """Return the file itself, or the one of the highest number; a training that goes back removes those above (clu)."""
    if folder.is_file():
        return folder
    numbered = {int(match[1]): file for file in folder.glob("*.flax") if (match := re.search(r"-(\d+)$", file.stem))}
    if not numbered:
        raise UserError(f"no ckpt-<number>.flax in {folder}; {_EXPECTED}")
    return numbered[max(numbered)]


def _array(code: int, data: bytes) -> Tensor:
    if code != _ARRAY:
        raise ValueError(f"extension type {code} among the weights")
    shape, type_name, content = msgpack.unpackb(data, raw=True)
    if type_name not in _TYPES:
        raise ValueError(f"weights of type {type_name.decode()}")
    return torch.frombuffer(bytearray(content), dtype=_TYPES[type_name]).reshape(tuple(shape))


def _flat(tree: Any, path: str) -> Iterator[tuple[str, Tensor]]:
    """Arrays by the path to them, joined by slashes."""
    if isinstance(tree, dict) and _CHUNKED in tree:
        chunks, shape = ([tree[part][str(i)] for i in range(len(tree[part]))] for part in ("chunks", "shape"))
        yield path, torch.cat(chunks).reshape(tuple(shape))
    elif isinstance(tree, dict):
        for name, below in tree.items():
            yield from _flat(below, f"{path}/{name}" if path else str(name))
    elif isinstance(tree, Tensor):
        yield path, tree
    else:
        raise ValueError(f"'{path}' is not an array")


def _as_ours(value: Tensor, key: str) -> Tensor:
    """Kernels are [in, out] there, [out, in] here; scales of queries and keys [heads, c] there, [heads, 1, c] here."""
    if key.endswith("/kernel"):
        return value.mT
    return value[:, None] if "/RMSNorm_" in key else value


def _layers(state: Iterable[str], network: str) -> int:
    """Number of layers; 1 where there is none, so that the error names its first missing weight."""
    layers = {name.split("/")[1] for name in state if name.startswith(f"{network}/layers_")}
    return max(len(layers), 1)
