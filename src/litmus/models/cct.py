"""Compact convolutional transformer (Hassani et al. 2021, "Escaping the big data paradigm with compact transformers")
with the blocks of attention.py; the authors' code also normalises what passes a block by."""

from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from litmus.limits import Depth, Shape, Share, Size, Sizes
from litmus.models.attention import Attention, Block, FeedForward
from litmus.models.decay import decay_matrices
from litmus.models.pooling import Pooling


class StochasticDepth(nn.Module):
    """Leaves a branch out for some examples of a batch (Huang et al. 2016); the others make up for it."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.keep = 1 - probability

    def forward(self, sequence: Float[Tensor, "batch length width"]) -> Float[Tensor, "batch length width"]:
        if not self.training or self.keep == 1:
            return sequence
        return sequence * sequence.new_empty(len(sequence), 1, 1).bernoulli_(self.keep) / self.keep


class CCT(nn.Module):
    """Convolutions in place of patches, positions, blocks, a norm, attention pooling, a linear layer.

    Args:
        image_shape: Channels, height, width; any size.
        channels: Of the convolutions, each 3 x 3 and pooled to half the sides; the last is the width of the blocks.
        mlp_ratio: Width of a block's hidden layer, in widths of the block.
        dropout: On the attention weights.
        stochastic_depth: Probability that the last block is left out; the first never is, those between less often.
    """

    def __init__(
        self,
        image_shape: Shape,
        outputs: Size,
        channels: Sizes,
        heads: Size,
        layers: Depth,
        mlp_ratio: Size,
        dropout: Share,
        stochastic_depth: Share,
    ) -> None:
        super().__init__()
        inputs, height, width = image_shape
        convolutions: list[nn.Module] = []
        for a, b in pairwise([inputs, *channels]):
            convolutions += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
            height, width = -(-height // 2), -(-width // 2)
        size = channels[-1]
        self.tokenizer = nn.Sequential(*convolutions, nn.Flatten(2))
        self.positions = nn.Parameter(torch.empty(height * width, size))
        self.blocks = nn.ModuleList(
            Block(
                size,
                Attention(size, heads, dropout, qkv_bias=False, bias=True, causal=False, rotary=None),
                FeedForward(size, mlp_ratio * size, dropout=0.0, bias=True, approximate="none"),
                StochasticDepth(probability),
                bias=True,
            )
            for probability in torch.linspace(0, stochastic_depth, layers).tolist()
        )
        self.norm = nn.LayerNorm(size)
        self.pool = Pooling("attention", size)
        self.head = nn.Linear(size, outputs)
        self.apply(init)
        nn.init.trunc_normal_(self.positions, std=0.2)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch outputs"]:
        sequence = self.tokenizer(images).transpose(1, 2) + self.positions
        for block in self.blocks:
            sequence = block(sequence, None)
        out: Tensor = self.head(self.pool(self.norm(sequence), None))
        return out

    def parameter_groups(self) -> list[dict[str, Any]]:
        return decay_matrices(self.parameters())


def init(module: nn.Module) -> None:
    """As the authors do."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
    elif isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
