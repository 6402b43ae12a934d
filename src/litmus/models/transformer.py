"""A transformer encoder (Vaswani et al. 2017) for classification and regression. Over the patches of an image it is a
vision transformer (Dosovitskiy et al. 2021), with the mean of its outputs in place of a class token."""

from typing import Any, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from litmus.limits import Depth, Share, Size
from litmus.models.attention import Attention, Block, FeedForward, Rotary
from litmus.models.decay import decay_matrices
from litmus.models.pooling import Kind, Pooling
from litmus.models.stems import Stem


class Transformer(nn.Module):
    """A linear layer into the transformer's width, positions, blocks, a norm, pooling over the steps, a linear layer.

    Args:
        width: Of a vector in the blocks; `heads` divides it, with `rotary` into an even number.
        positions: `learned` vectors are added to the inputs; `rotary` ones turn queries and keys.

    Raises:
        ValueError: If the heads do not fit the width.
    """

    def __init__(
        self,
        stem: Stem,
        outputs: Size,
        width: Size,
        heads: Size,
        layers: Depth,
        positions: Literal["learned", "rotary"],
        pooling: Kind,
        dropout: Share,
    ) -> None:
        super().__init__()
        if positions == "rotary" and width % (2 * heads):
            raise ValueError(
                f"model.positions=rotary turns pairs, and model.width={width} is not divisible by twice "
                f"model.heads={heads}: change either, or take model.positions=learned"
            )
        self.stem = stem
        self.project = nn.Identity() if stem.width == width else nn.Linear(stem.width, width)
        self.positions = nn.Parameter(torch.empty(stem.length, width)) if positions == "learned" else None
        rotary = Rotary(stem.length, width // heads) if positions == "rotary" else None
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(
                width,
                Attention(width, heads, dropout, qkv_bias=True, bias=True, causal=False, rotary=rotary),
                FeedForward(width, 4 * width, dropout, bias=True, approximate="none"),
                nn.Dropout(dropout),
                bias=True,
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.pool = Pooling(pooling, width)
        self.head = nn.Linear(width, outputs)
        if self.positions is not None:
            nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, inputs: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "batch outputs"]:
        sequence, mask = self.stem(inputs)
        sequence = self.project(sequence)
        if self.positions is not None:
            sequence = sequence + self.positions[: sequence.shape[1]]
        sequence = self.dropout(sequence)
        for block in self.blocks:
            sequence = block(sequence, mask)
        out: Tensor = self.head(self.pool(self.norm(sequence), mask))
        return out

    def parameter_groups(self) -> list[dict[str, Any]]:
        return decay_matrices(self.parameters())
