"""PatchTST (Nie et al. 2023, "A time series is worth 64 words") with the blocks of attention.py: LayerNorm before each
part, where the paper has BatchNorm behind it and hands attention scores on from layer to layer."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from litmus.limits import Depth, Share, Size
from litmus.models.attention import Attention, Block, FeedForward
from litmus.models.decay import decay_matrices


class PatchTST(nn.Module):
    """Every channel by itself: standardised, cut into overlapping patches, encoded, mapped to the horizon.

    Args:
        length: Steps that are seen.
        horizon: Steps that are forecast.
        patch: Steps of a patch; at most `length`.
        stride: Steps from patch to patch. The last step is repeated that often, for one patch more.
        width: Of a vector; `heads` divides it.
        mlp_width: Of the hidden layer of a block.
    """

    def __init__(
        self,
        length: Size,
        horizon: Size,
        patch: Size,
        stride: Size,
        width: Size,
        heads: Size,
        layers: Depth,
        mlp_width: Size,
        dropout: Share,
    ) -> None:
        super().__init__()
        if length < patch:
            raise ValueError(f"model.patch={patch} is longer than the series, data.length={length}: take a shorter one")
        patches = (length - patch) // stride + 2
        self.horizon, self.patch, self.stride = horizon, patch, stride
        self.embed = nn.Linear(patch, width)
        self.positions = nn.Parameter(torch.empty(patches, width).uniform_(-0.02, 0.02))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(
                width,
                Attention(width, heads, dropout=0.0, qkv_bias=True, bias=True, causal=False, rotary=None),
                FeedForward(width, mlp_width, dropout, bias=True, approximate="none"),
                nn.Dropout(dropout),
                bias=True,
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(patches * width, horizon)

    def forward(self, series: Float[Tensor, "batch length channels"]) -> Float[Tensor, "batch {self.horizon}*channels"]:
        mean = series.mean(1, keepdim=True)
        spread = (series.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
        by_channel = ((series - mean) / spread).transpose(1, 2)
        patches = F.pad(by_channel, (0, self.stride), mode="replicate").unfold(2, self.patch, self.stride)
        sequence = self.dropout(self.embed(patches.flatten(0, 1)) + self.positions)
        for block in self.blocks:
            sequence = block(sequence, None)
        forecast: Tensor = self.head(self.norm(sequence).flatten(1)).unflatten(0, by_channel.shape[:2]).transpose(1, 2)
        return (forecast * spread + mean).flatten(1)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return decay_matrices(self.parameters())
