"""Loading the weights of a RayZer: the shipped model, a trained file, or a released checkpoint."""

from __future__ import annotations

from baselines.rayzer.baseline import NAME, RELEASED_SUFFIX, SHIPPED, RayZerOptions
from baselines.rayzer.model import RayZerModel
from baselines.rayzer.network import RayZerNetwork
from baselines.rayzer.official import official_network, read_official
from evalkit.weights.header import model_path, read_header
from evalkit.weights.model_file import load_network


def load_weights(options: RayZerOptions) -> RayZerNetwork:
    """Build the network that ``options.weights`` means. Raises UserError where the file is another than expected."""
    file = model_path(options.weights, SHIPPED)
    if file.suffix == RELEASED_SUFFIX:
        return official_network(read_official(file), str(file))
    header = read_header(file, NAME)
    return load_network(header, RayZerNetwork(header.settings(RayZerModel)))
