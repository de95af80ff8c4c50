"""Attention over heads, with normalised queries and keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class HeadNorm(nn.Module):
    """RMS norm over the channels of each head, with a learnt scale ("QK norm").

    ``heads`` is 1 where all heads share one scale (RayZer, LVSM), the number of heads where each has its own (XFactor).
    """

    def __init__(self, channels: int, heads: int = 1, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(heads, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x`` [..., heads, tokens, channels], in float32 for any type of ``x``."""
        values = x.float()
        normalised: Tensor = values * torch.rsqrt(values.square().mean(-1, keepdim=True) + self.eps) * self.scale
        return normalised.to(x.dtype)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[..., tokens, heads * channels] -> [..., heads, tokens, channels]."""
    split: Tensor = x.unflatten(-1, (heads, -1))
    return split.transpose(-2, -3)


def merge_heads(x: Tensor) -> Tensor:
    """[..., heads, tokens, channels] -> [..., tokens, heads * channels]."""
    return x.transpose(-2, -3).flatten(-2)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention [..., heads, tokens, channels]; no mask, no dropout.

    On a GPU, the fused kernel. On a CPU, plain products: for the short sequences that are trained there, the backward
    pass of the fused kernel is several times slower.
    """
    if query.device.type != "cpu":
        return scaled_dot_product_attention(query, key, value)
    scores = (query * query.shape[-1] ** -0.5) @ key.mT
    attended: Tensor = scores.softmax(-1).to(value.dtype) @ value
    return attended
