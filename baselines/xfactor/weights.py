"""Where an XFactor's weights come from: the small model that is shipped, or a trained or converted file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from baselines.xfactor.model import XFactorModel
from baselines.xfactor.network import XFactorNetwork
from evalkit.weights.model_file import load_exactly, read_model, settings_of

MINI = Path(__file__).with_name("mini.safetensors")


@dataclass(frozen=True)
class Trained:
    """A network with its settings, and what a card says about its weights."""

    model: XFactorModel
    network: XFactorNetwork
    digest: str
    trained_on: str
    licence: str


def read_weights(weights: str) -> Trained:
    """Read ``mini``, or the path of a file that `evalkit train` or `evalkit weights convert` wrote."""
    file = MINI if weights == "mini" else Path(weights)
    read = read_model(file, "xfactor")
    model = settings_of(read, XFactorModel, file)
    network = XFactorNetwork(model)
    load_exactly(network, read.weights, str(file))
    about = {key: str(read.training.get(key, "not said")) for key in ("trained_on", "licence")}
    return Trained(model, network, read.digest, about["trained_on"], about["licence"])
