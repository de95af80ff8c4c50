"""Columns that several protocols print. Needs no tensor."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.metrics.named import image_metric
from evalkit.protocol import Better, Column

_HALF = "poses from the left half of each target, right half scored"
HALF_BLIND_PSNR = Column(
    "half_blind_psnr", "half-blind\nPSNR dB", better=Better.HIGHER, quantity="psnr", definition=_HALF
)
HALF_BLIND_GAIN = Column(
    "half_blind_gain",
    "half-blind\ngain dB",
    better=Better.HIGHER,
    quantity="psnr",
    definition=_HALF,
    variant="above the best image that needs no pose",
)


def image_columns(names: Sequence[str]) -> tuple[Column, ...]:
    """A column for each image metric of these names. Raises UserError for an unknown one."""
    return tuple(image_metric(name).column() for name in names)
