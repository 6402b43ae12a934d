"""From a sequence of vectors to one vector, over the steps that are there."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

Kind = Literal["max", "mean", "first", "last", "attention"]


class Pooling(nn.Module):
    """The maximum or mean of the steps, the first or last of them, or their mean with learned weights.

    Args:
        kind: `attention` weighs by the softmax of a linear score (Hassani et al. 2021, section 3.2.2, "SeqPool").
        width: Size of a vector.
    """

    def __init__(self, kind: Kind, width: int) -> None:
        super().__init__()
        self.kind = kind
        self.score = nn.Linear(width, 1) if kind == "attention" else None

    def forward(
        self, sequence: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"] | None
    ) -> Float[Tensor, "batch width"]:
        if self.kind == "first":
            return sequence[:, 0]
        if self.kind == "last":
            return sequence[:, -1] if mask is None else sequence[torch.arange(mask.shape[0]), mask.sum(1) - 1]
        if self.kind == "max":
            there = sequence if mask is None else sequence.masked_fill(~mask[..., None], -torch.inf)
            return there.max(1).values
        scores = sequence.new_zeros(sequence.shape[:2]) if self.score is None else self.score(sequence).squeeze(2)
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        return torch.einsum("bl,blw->bw", scores.softmax(1), sequence)
