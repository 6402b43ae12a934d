"""A multilayer perceptron (Rumelhart, Hinton & Williams 1986); without hidden layers, logistic or linear regression."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from litmus.limits import Share, Size
from litmus.models.pooling import Pooling
from litmus.models.stems import Stem


class MLP(nn.Module):
    """Linear layers with ReLU between, over all steps at once, or over their mean where lengths vary.

    Args:
        hidden: Widths of the hidden layers; may be empty.
        dropout: Behind each of them.
    """

    def __init__(self, stem: Stem, outputs: Size, hidden: Sequence[Size], dropout: Share) -> None:
        super().__init__()
        self.stem = stem
        self.pool = Pooling("mean", stem.width) if stem.varies else None
        sizes = [stem.width if stem.varies else stem.length * stem.width, *hidden]
        layers: list[nn.Module] = []
        for inputs, width in pairwise(sizes):
            layers += [nn.Linear(inputs, width), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))

    def forward(self, inputs: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "batch outputs"]:
        sequence, mask = self.stem(inputs)
        out: Tensor = self.layers(sequence.flatten(1) if self.pool is None else self.pool(sequence, mask))
        return out
