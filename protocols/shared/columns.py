"""Columns that several protocols print. Needs no tensor."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.metrics.named import IMAGE_METRICS
from evalkit.protocol import Column


def image_columns(names: Sequence[str]) -> tuple[Column, ...]:
    """A column for each image metric by name."""
    metrics = [IMAGE_METRICS[name] for name in names]
    return tuple(Column(each.name, each.title, 1.0, each.digits, each.networks) for each in metrics)
