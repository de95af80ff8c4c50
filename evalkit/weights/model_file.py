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
    """Content of a file: weights by name, settings of the model, how it was trained, and the file's SHA-256."""

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
    """Write the parameters and persistent buffers of a network, with the settings that it was built from.

    Args:
        file: where to write.
        network: the network.
        baseline: name of the baseline that can read the file.
        model: settings that the network was built from.
        training: how it was trained, such as ``trained_on`` and ``licence``.
        kind: type of the numbers in the file.
    """
    state = {k: v.detach().to("cpu", kind).contiguous() for k, v in network.state_dict().items()}
    header = {"baseline": baseline, "model": model.model_dump(mode="json"), "training": dict(training)}
    write_atomically(file, save(state, {FORMAT: json.dumps(header)}))  # one entry: the order of several is random


def read_model(file: Path, baseline: str) -> ModelFile:
    """Read a file that `write_model` wrote for this baseline. Raises UserError for any other file."""
    header = read_header(file, baseline)
    return ModelFile(_tensors(file), header.model, header.training, header.digest)


def load_network(header: ModelHeader, network: Network) -> Network:
    """Load the weights of a file into a network that was built from the settings in its header; return the network.

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
    """Return the longest of ``parts`` that is ``name`` or its beginning up to a dot.

    >>> longest_part("layers.0.norm", ["layers", "layers.0"])
    'layers.0'
    """
    return max((part for part in parts if f"{name}.".startswith(f"{part}.")), key=len)


def load_exactly(network: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Load ``weights`` into ``network``; all names and shapes must fit. Raises UserError for the first that does not.

    ``source`` is named in the message.
    """
    expected = network.state_dict()
    for name in sorted({*expected, *weights}):
        if name not in weights:
            raise UserError(f"{source}: '{name}' is missing")
        if name not in expected:
            raise UserError(f"{source}: '{name}' has no place in this model")
        if expected[name].shape != weights[name].shape:
            shapes = f"{list(weights[name].shape)}, expected {list(expected[name].shape)}"
            raise UserError(f"{source}: '{name}' is {shapes}")
    with torch.no_grad():
        network.load_state_dict({name: value.float() for name, value in weights.items()}, strict=True)
