"""The features that scene identity can be computed from (`evalkit.metrics.identity`). Imports no torch."""

from __future__ import annotations

from enum import StrEnum


class Feature(StrEnum):
    """Features by which frames are compared."""

    HISTOGRAM = "histogram"  # of colours and of directions of edges; needs no weights
    INCEPTION = "inception"  # the network of FID


# weights that each feature needs
NETWORKS: dict[Feature, tuple[str, ...]] = {Feature.HISTOGRAM: (), Feature.INCEPTION: ("inception",)}
