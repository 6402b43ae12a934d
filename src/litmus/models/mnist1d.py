"""The three networks of MNIST-1D (Greydanus & Kobak 2024, "Scaling down deep learning with MNIST-1D"), for series."""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from litmus.limits import Size

HIDDEN, CELLS, MAPS = 100, 6, 25


def network(kind: Literal["cnn", "gru", "mlp"], channels: Size, length: Size, outputs: Size) -> nn.Module:
    """The network of this name, at the paper's size.

    Args:
        channels: Of the series.
        length: Their steps.
    """
    return {"cnn": Convolutional, "gru": Recurrent, "mlp": Residual}[kind](channels, length, outputs)


class Convolutional(nn.Module):
    """Three convolutions of stride 2 and a linear layer: 5,210 parameters on 40 steps and 10 classes.

    Raises:
        ValueError: If the series are too short.
    """

    def __init__(self, channels: int, length: int, outputs: int) -> None:
        super().__init__()
        kernels = (5, 3, 3)
        for kernel in kernels:
            length = (length + 2 - kernel) // 2 + 1
        if length < 1:
            raise ValueError("model.kind=cnn halves a series three times, and these are too short: take model=fcn")
        sizes = zip([channels, MAPS, MAPS], kernels, strict=True)
        self.convs = nn.ModuleList(nn.Conv1d(inputs, MAPS, kernel, 2, padding=1) for inputs, kernel in sizes)
        self.head = nn.Linear(MAPS * length, outputs)

    def forward(self, series: Float[Tensor, "batch length channels"]) -> Float[Tensor, "batch outputs"]:
        maps = series.transpose(1, 2)
        for conv in self.convs:
            maps = F.relu(conv(maps))
        out: Tensor = self.head(maps.flatten(1))
        return out


class Recurrent(nn.Module):
    """A GRU in both directions, and a linear layer on all of its steps: 5,134 parameters."""

    def __init__(self, channels: int, length: int, outputs: int) -> None:
        super().__init__()
        self.gru = nn.GRU(channels, CELLS, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * CELLS * length, outputs)

    def forward(self, series: Float[Tensor, "batch length channels"]) -> Float[Tensor, "batch outputs"]:
        out: Tensor = self.head(self.gru(series)[0].flatten(1))
        return out


class Residual(nn.Module):
    """Two hidden layers, the second beside a shortcut: 15,210 parameters."""

    def __init__(self, channels: int, length: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(channels * length, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.head = nn.Linear(HIDDEN, outputs)

    def forward(self, series: Float[Tensor, "batch length channels"]) -> Float[Tensor, "batch outputs"]:
        hidden = F.relu(self.first(series.flatten(1)))
        out: Tensor = self.head(hidden + F.relu(self.second(hidden)))
        return out
