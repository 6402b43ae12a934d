"""GPT (Radford et al. 2019, "Language models are unsupervised multitask learners"), as small as nanoGPT's for a CPU:
804,096 parameters for 65 characters and a context of 64, positions counted."""

import math
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from litmus.limits import Depth, Share, Size
from litmus.models.attention import Attention, Block, FeedForward
from litmus.models.decay import decay_matrices


class GPT(nn.Module):
    """Tokens and learned positions, causal blocks, a norm; the embedding is also the output layer.

    Args:
        context: The most tokens it can look at.
        width: Of a vector; `heads` divides it.
        bias: Whether linear layers and norms have one: GPT-2 has, nanoGPT's training runs do without.
    """

    def __init__(
        self, vocab_size: Size, context: Size, width: Size, heads: Size, layers: Depth, dropout: Share, bias: bool
    ) -> None:
        super().__init__()
        self.context = context
        self.tokens = nn.Embedding(vocab_size, width)
        self.positions = nn.Embedding(context, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(
                width,
                Attention(width, heads, dropout, qkv_bias=bias, bias=bias, causal=True, rotary=None),
                FeedForward(width, 4 * width, dropout=0.0, bias=bias, approximate="tanh"),
                nn.Dropout(dropout),
                bias,
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width, bias=bias)
        for name, parameter in self.named_parameters():
            if name.endswith(("out.weight", "narrow.weight")):  # a block adds twice to what passes through all of them
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * layers))
            elif parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(
        self, tokens: Int[Tensor, "batch length"], state: None = None
    ) -> tuple[Float[Tensor, "batch length vocab"], None]:
        length = tokens.shape[1]
        if length > self.context:
            raise ValueError(f"{length} tokens are more than the context of {self.context}: give the last of them only")
        sequence = self.dropout(self.tokens(tokens) + self.positions.weight[:length])
        for block in self.blocks:
            sequence = block(sequence, None)
        return F.linear(self.norm(sequence), self.tokens.weight), None

    def parameter_groups(self) -> list[dict[str, Any]]:
        return decay_matrices(self.parameters())
