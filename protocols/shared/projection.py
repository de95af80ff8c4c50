"""Codes of any width as a fixed number of numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.seeds import generator


def projected(codes: Tensor, width: int) -> Tensor:
    """Reduce codes [..., D] to at most ``width`` numbers by a fixed random projection; float32, on the CPU.

    Codes of D <= ``width`` are returned as they are. The projection adds each number, with a random sign, to one of
    ``width`` sums; signs and sums depend on D and ``width`` alone. Inner products change by an error of order
    1 / sqrt(width).

    Source: feature hashing, Weinberger et al., ICML 2009.
    """
    codes = codes.detach().float().cpu()
    if codes.shape[-1] <= width:
        return codes
    rng = generator("probe", "narrowed", codes.shape[-1], width)
    bins = torch.from_numpy(rng.integers(width, size=codes.shape[-1]))
    signs = torch.from_numpy(rng.integers(2, size=codes.shape[-1]) * 2 - 1).float()
    return codes.new_zeros(*codes.shape[:-1], width).index_add_(-1, bins, codes * signs)
