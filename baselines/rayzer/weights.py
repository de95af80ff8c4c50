"""Where a RayZer's weights come from: the small model that is shipped, a trained file, or a released checkpoint."""

from __future__ import annotations

import hashlib
from pathlib import Path

from baselines.rayzer.model import RayZerModel
from baselines.rayzer.network import RayZerNetwork
from baselines.rayzer.official import official_network, read_official
from evalkit.weights.model_file import Trained, read_trained

SHIPPED = Path(__file__).with_name("mini.safetensors")
RayZerWeights = Trained[RayZerModel, RayZerNetwork]


def read_weights(weights: str) -> RayZerWeights:
    """Read ``mini``, or a path: .pt for a released checkpoint, anything else as `evalkit train` writes it."""
    file = Path(weights)
    if file.suffix != ".pt":
        return read_trained(weights, "rayzer", RayZerModel, RayZerNetwork, SHIPPED)
    model, network = official_network(read_official(file), str(file))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Trained(model, network, digest, "DL3DV-10K", "as released, CC-BY-NC-SA-4.0 (code)")
