"""A trained model in one file: its weights, and in the header the settings that it was built from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from evalkit.config.options import Options
from evalkit.errors import UserError
from evalkit.files import write_atomically

Model = TypeVar("Model", bound=Options)
Network = TypeVar("Network", bound=nn.Module)
FORMAT = "evalkit-model-1"


@dataclass(frozen=True)
class ModelFile:
    """What a file holds: weights by name, the settings of the model, how it was trained, and the file's SHA-256."""

    weights: Mapping[str, Tensor]
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    digest: str


@dataclass(frozen=True)
class Trained(Generic[Model, Network]):
    """A network with its settings, and what a card says about its weights."""

    model: Model
    network: Network
    digest: str
    trained_on: str
    licence: str


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
    if not file.is_file():
        raise UserError(f"no such weights: {file}; expected a file that `evalkit train baseline={baseline}` wrote")
    try:
        with safe_open(file, framework="pt") as opened:
            header = json.loads((opened.metadata() or {}).get(FORMAT, "{}"))
            weights = {name: opened.get_tensor(name).float() for name in opened.keys()}  # noqa: SIM118, not a dict
    except SafetensorError as error:
        raise UserError(f"{file}: not a safetensors file ({error})") from error
    if header.get("baseline") != baseline:
        held = f"weights of '{header['baseline']}'" if header else "something else"
        raise UserError(f"{file} holds {held}: expected weights of '{baseline}' as `evalkit train` writes them")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return ModelFile(weights, header["model"], header["training"], digest)


def read_trained(
    weights: str, baseline: str, kind: type[Model], build: Callable[[Model], Network], shipped: Path
) -> Trained[Model, Network]:
    """The network that ``weights`` stands for: ``mini`` for the file that is shipped, else the path of one.

    Raises UserError where the file is another than expected, or its settings are not those of this version.
    """
    file = shipped if weights == "mini" else Path(weights)
    read = read_model(file, baseline)
    try:
        model = kind.model_validate_json(json.dumps(read.model))
    except ValidationError as error:
        raise UserError(f"{file}: its settings are not those of this version ({error.errors()[0]['msg']})") from error
    network = build(model)
    load_exactly(network, read.weights, str(file))
    about = {key: str(read.training.get(key, "not said")) for key in ("trained_on", "licence")}
    return Trained(model, network, read.digest, about["trained_on"], about["licence"])


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
