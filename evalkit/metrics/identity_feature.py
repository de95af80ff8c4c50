"""What frames are compared by, to say which scene a render shows. Imports no torch."""

from __future__ import annotations

from enum import StrEnum


class Feature(StrEnum):
    """What frames are compared by."""

    HISTOGRAM = "histogram"  # colours and directions of edges: no weights
    INCEPTION = "inception"  # the network of FID


# weights that each feature needs
NETWORKS: dict[Feature, tuple[str, ...]] = {Feature.HISTOGRAM: (), Feature.INCEPTION: ("inception",)}
