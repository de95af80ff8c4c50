"""A transformer block with cross-attention: pre-norm attention and an MLP (OSRT, appendix A.4)."""

from __future__ import annotations

from torch import Tensor, nn

from baselines.nn.attention import attend, merge_heads, split_heads


class CrossBlock(nn.Module):
    """Attention from tokens to a memory, then an MLP; both on normalised input and added to the tokens.

    With the tokens as their own memory, this is self-attention.

    Args:
        width: channels of a token.
        memory: channels of a token of the memory, and of the attention.
        heads: heads of the attention.
        hidden: channels inside the MLP.
    """

    def __init__(self, width: int, memory: int, heads: int, hidden: int) -> None:
        super().__init__()
        if memory % heads:
            raise ValueError(f"{memory} channels cannot be split over {heads} heads")
        self.heads = heads
        self.query_norm = nn.LayerNorm(width)
        self.memory_norm = nn.LayerNorm(memory)
        self.query = nn.Linear(width, memory, bias=False)
        self.key_value = nn.Linear(memory, 2 * memory, bias=False)
        self.project = nn.Linear(memory, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, tokens: Tensor, memory: Tensor) -> Tensor:
        """Tokens [..., N, width] and memory [..., M, memory] -> the shape of the tokens."""
        tokens = tokens + self._attention(self.query_norm(tokens), self.memory_norm(memory))
        return tokens + self.mlp(self.mlp_norm(tokens))  # type: ignore[no-any-return]

    def _attention(self, tokens: Tensor, memory: Tensor) -> Tensor:
        query = split_heads(self.query(tokens), self.heads)
        key, value = (split_heads(x, self.heads) for x in self.key_value(memory).chunk(2, dim=-1))
        return self.project(merge_heads(attend(query, key, value)))  # type: ignore[no-any-return]
