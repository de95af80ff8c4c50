"""Columns that several protocols print. Needs no tensor."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.metrics.named import image_metric
from evalkit.protocol import Column


def image_columns(names: Sequence[str]) -> tuple[Column, ...]:
    """A column for each image metric of these names. Raises UserError for an unknown one."""
    return tuple(image_metric(name).column() for name in names)
