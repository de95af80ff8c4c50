"""The blocks of scene transformers: pre-norm self-attention and an MLP, without biases."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor, nn

from baselines.nn.attention import HeadNorm, attend, merge_heads, split_heads
from baselines.nn.rope import Rotation

MLP_RATIO = 4
PUBLISHED_DEVIATION, PUBLISHED_WIDTH = 0.02, 768  # of the first weights, and the width of that model (LVSM, RayZer)


def deviation(width: int) -> float:
    """Standard deviation of the first weights of a model: the published one, scaled so that sums keep their size.

    With 0.02 at a sixth of the published width, position codes are much smaller than patch contents, and training
    stalls for long.

    >>> deviation(768), deviation(192)
    (0.02, 0.04)
    """
    return PUBLISHED_DEVIATION * math.sqrt(PUBLISHED_WIDTH / width)


class Block(nn.Module):
    """Self-attention over all tokens, then an MLP; both on normalised input and added to it.

    Queries and keys are RMS-normalised with one scale for all heads. GS-LRM, LVSM, RayZer.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{width} channels cannot be split over {heads} heads")
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width, bias=False)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.query_norm = HeadNorm(width // heads)
        self.key_norm = HeadNorm(width // heads)
        self.project = nn.Linear(width, width, bias=False)
        self.mlp_norm = nn.LayerNorm(width, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(width, MLP_RATIO * width, bias=False), nn.GELU(), nn.Linear(MLP_RATIO * width, width, bias=False)
        )

    def forward(self, tokens: Tensor, rotation: Rotation | None = None) -> Tensor:
        """[..., tokens, width] -> the same shape; ``rotation``, if any, is applied to queries and keys."""
        tokens = tokens + self._attention(self.attention_norm(tokens), rotation)
        return tokens + self.mlp(self.mlp_norm(tokens))  # type: ignore[no-any-return]

    def _attention(self, tokens: Tensor, rotation: Rotation | None) -> Tensor:
        query, key, value = (split_heads(x, self.heads) for x in self.query_key_value(tokens).chunk(3, dim=-1))
        query, key = self.query_norm(query), self.key_norm(key)
        if rotation is not None:
            query, key = rotation(query), rotation(key)
        return self.project(merge_heads(attend(query, key, value)))  # type: ignore[no-any-return]


class Stack(nn.Module):
    """Blocks one after the other. The weights of block l (from 0) start with `deviation` / sqrt(2 (l + 1))."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        for depth, block in enumerate(self.blocks):
            normal_linears(block.modules(), deviation(width) / math.sqrt(2 * (depth + 1)))

    def forward(self, tokens: Tensor, rotation: Rotation | None = None) -> Tensor:
        """[..., tokens, width] -> the same shape; see `Block`."""
        for block in self.blocks:
            tokens = block(tokens, rotation)
        return tokens


def normal_linears(modules: Iterable[nn.Module], deviation: float) -> None:
    """Draw the weights of all linear layers among ``modules`` from N(0, deviation^2); biases start at zero."""
    for module in modules:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=deviation)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
