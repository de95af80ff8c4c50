"""Features that stand in for Inception's where its weights are not needed: random directions of small images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

import protocols.fid.protocol


def projected(images: Tensor) -> Tensor:
    """Random directions of the pixels, rectified."""
    directions = torch.randn(3 * 16 * 16, 64, generator=torch.Generator().manual_seed(0)) / 16
    return (adaptive_avg_pool2d(images.float(), 16).flatten(1) @ directions).relu()


def nothing_absent(names: object) -> tuple[str, ...]:
    """As `evalkit.weights.store.absent` where all weights are here."""
    return ()


@contextmanager
def stand_in() -> Iterator[None]:
    """Let `fid` use these features."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocols.fid.protocol, "inception_features", projected)
        patch.setattr(protocols.fid.protocol, "absent", nothing_absent)
        patch.setattr("evalkit.run.execute.absent", nothing_absent)
        yield
