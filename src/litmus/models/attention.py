"""Self-attention (Vaswani et al. 2017) in blocks that normalise first (Xiong et al. 2020), with rotary positions
(Su et al. 2021) if asked. The encoder, GPT, CCT and PatchTST are made of these."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

BASE = 10_000.0  # of the wave lengths, in both papers


class Rotary(nn.Module):
    """Turns the pairs of a query or key by angles that grow with the step, so that their product knows the distance.

    Args:
        length: The most steps.
        width: Of a head; even.
    """

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        frequencies = BASE ** (-torch.arange(0, width, 2) / width)
        angles = torch.outer(torch.arange(length), frequencies)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, heads: Float[Tensor, "batch heads length width"]) -> Float[Tensor, "batch heads length width"]:
        cos, sin = self.get_buffer("cos")[: heads.shape[2]], self.get_buffer("sin")[: heads.shape[2]]
        a, b = heads.chunk(2, dim=3)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=3)


class Attention(nn.Module):
    """Multi-head self-attention over the steps that are there, or over those before.

    Args:
        width: Of a vector; `heads` divides it.
        dropout: On the attention weights.
        qkv_bias: Whether queries, keys and values have one; `bias` is that of the output.
        causal: Whether a step sees only itself and those before; padding behind it is then never seen.
        rotary: For queries and keys; None where positions are added to the vectors.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        dropout: float,
        qkv_bias: bool,
        bias: bool,
        causal: bool,
        rotary: Rotary | None,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"model.width={width} is not divisible by model.heads={heads}: change either")
        self.heads, self.dropout, self.causal, self.rotary = heads, dropout, causal, rotary
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.out = nn.Linear(width, width, bias=bias)

    def forward(
        self, sequence: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"] | None
    ) -> Float[Tensor, "batch length width"]:
        query, key, value = self.qkv(sequence).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if self.rotary is not None:
            query, key = self.rotary(query), self.rotary(key)
        seen = None if mask is None or self.causal else mask[:, None, None]
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, seen, dropout, self.causal)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    """A wider hidden layer for each step by itself.

    Args:
        dropout: On the hidden layer.
        approximate: Of GELU: `tanh` as in GPT-2, or `none`.
    """

    def __init__(self, width: int, hidden: int, dropout: float, bias: bool, approximate: str) -> None:
        super().__init__()
        self.widen = nn.Linear(width, hidden, bias=bias)
        self.act = nn.GELU(approximate)
        self.dropout = nn.Dropout(dropout)
        self.narrow = nn.Linear(hidden, width, bias=bias)

    def forward(self, sequence: Float[Tensor, "batch length width"]) -> Float[Tensor, "batch length width"]:
        out: Tensor = self.narrow(self.dropout(self.act(self.widen(sequence))))
        return out


class Block(nn.Module):
    """Attention, then the feed-forward layers; each normalises its input and adds to it.

    Args:
        drop: What is left out of each addition in training, such as nn.Dropout.
        bias: Whether the norms have one.
    """

    def __init__(self, width: int, attention: Attention, mlp: FeedForward, drop: nn.Module, bias: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, bias=bias)
        self.attention = attention
        self.norm2 = nn.LayerNorm(width, bias=bias)
        self.mlp = mlp
        self.drop = drop

    def forward(
        self, sequence: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"] | None
    ) -> Float[Tensor, "batch length width"]:
        sequence = sequence + self.drop(self.attention(self.norm1(sequence), mask))
        added: Tensor = self.drop(self.mlp(self.norm2(sequence)))
        return sequence + added
