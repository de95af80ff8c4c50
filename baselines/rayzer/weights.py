"""Where a RayZer's weights come from: the small model that is shipped, a trained file, or a released checkpoint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from baselines.rayzer.model import RayZerModel
from baselines.rayzer.network import RayZerNetwork
from baselines.rayzer.official import official_network, read_official
from evalkit.weights.model_file import load_exactly, read_model, settings_of

MINI = Path(__file__).with_name("mini.safetensors")


@dataclass(frozen=True)
class Trained:
    """A network with its settings, and what a card says about its weights."""

    model: RayZerModel
    network: RayZerNetwork
    digest: str
    trained_on: str
    licence: str


def read_weights(weights: str) -> Trained:
    """Read ``mini``, or a path: .pt for a released checkpoint, anything else as `evalkit train` writes it."""
    file = MINI if weights == "mini" else Path(weights)
    return _released(file) if file.suffix == ".pt" else _own(file)


def _own(file: Path) -> Trained:
    read = read_model(file, "rayzer")
    model = settings_of(read, RayZerModel, file)
    with torch.device("meta"):
        network = RayZerNetwork(model)
    network.to_empty(device="cpu")
    load_exactly(network, read.weights, str(file))
    trained_on = str(read.training.get("trained_on", "not said"))
    return Trained(model, network, read.digest, trained_on, "Apache-2.0")


def _released(file: Path) -> Trained:
    model, network = official_network(read_official(file), str(file))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Trained(model, network, digest, "DL3DV-10K", "as released, CC-BY-NC-SA-4.0 (code)")
