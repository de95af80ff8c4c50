"""A trained model in one file: its weights, and in the header the settings that it was built from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from evalkit.config.options import Options
from evalkit.errors import UserError
from evalkit.files import write_atomically
from evalkit.weights.header import FORMAT, ModelHeader, read_header

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class ModelFile:
    """What a file holds: weights by name, the settings of the model, how it was trained, and the file's SHA-256."""

    weights: Mapping[str, Tensor]
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    digest: str


def write_model(
    file: Path,
    network: nn.Module,
    baseline: str,
    model: Options,
    training: Mapping[str, Any],
    kind: torch.dtype = torch.float16,
) -> None:
    """Write the parameters and persistent buffers of ``network`` as ``kind``, half precision, with what they mean."""
    state = {k: v.detach().to("cpu", kind).contiguous() for k, v in network.state_dict().items()}
    header = {"baseline": baseline, "model": model.model_dump(mode="json"), "training": dict(training)}
    write_atomically(file, save(state, {FORMAT: json.dumps(header)}))  # one entry: several come in random order


def read_model(file: Path, baseline: str) -> ModelFile:
    """Read what `write_model` wrote for this baseline. Raises UserError for anything else."""
    header = read_header(file, baseline)
    return ModelFile(_tensors(file), header.model, header.training, header.digest)


def load_network(header: ModelHeader, network: Network) -> Network:
    """Fill a network, built from the settings in ``header``, with the weights of its file, and return it.

    Raises UserError where a name or a shape does not fit.
    """
    load_exactly(network, _tensors(header.file), str(header.file))
    return network


def _tensors(file: Path) -> dict[str, Tensor]:
    try:
        with safe_open(file, framework="pt") as opened:
            return {name: opened.get_tensor(name).float() for name in opened.keys()}  # noqa: SIM118, not a dict
    except SafetensorError as error:
        raise UserError(f"{file}: not a safetensors file ({error})") from error


def longest_part(name: str, parts: Iterable[str]) -> str:
    """Of ``parts``, each a name up to some dot, the longest that ``name`` begins with.

    >>> longest_part("layers.0.norm", ["layers", "layers.0"])
    'layers.0'
    """
    return max((part for part in parts if f"{name}.".startswith(f"{part}.")), key=len)


def load_exactly(network: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Fill ``network``; every name and shape must fit. Raises UserError naming the first that does not."""
    own = network.state_dict()
    for name in sorted({*own, *weights}):
        if name not in weights:
            raise UserError(f"{source}: '{name}' is missing")
        if name not in own:
            raise UserError(f"{source}: '{name}' has no place in this model")
        if own[name].shape != weights[name].shape:
            raise UserError(f"{source}: '{name}' is {list(weights[name].shape)}, expected {list(own[name].shape)}")
    with torch.no_grad():
        network.load_state_dict({name: value.float() for name, value in weights.items()}, strict=True)
