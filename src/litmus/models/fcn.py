"""A fully convolutional network for series (Wang, Yan & Oates 2017, "Time series classification from scratch")."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from litmus.limits import Size, Sizes


def features(channels: int, maps: Sequence[int], kernels: Sequence[int]) -> nn.Sequential:
    """Convolutions that keep the length, each with batch normalisation and ReLU.

    Args:
        maps: Channels of each convolution.
        kernels: Steps that each covers.
    """
    if len(maps) != len(kernels):
        raise ValueError(f"model.maps has {len(maps)} convolutions and model.kernels {len(kernels)}: give as many")
    layers: list[nn.Module] = []
    for (inputs, outputs), kernel in zip(pairwise([channels, *maps]), kernels, strict=True):
        layers += [nn.ConstantPad1d(((kernel - 1) // 2, kernel // 2), 0.0)]
        layers += [nn.Conv1d(inputs, outputs, kernel), nn.BatchNorm1d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class FCN(nn.Module):
    """Convolutions, the mean over time, a linear layer.

    Args:
        channels: Of the series.
    """

    def __init__(self, channels: Size, outputs: Size, maps: Sizes, kernels: Sizes) -> None:
        super().__init__()
        self.features = features(channels, maps, kernels)
        self.head = nn.Linear(maps[-1], outputs)

    def forward(self, series: Float[Tensor, "batch length channels"]) -> Float[Tensor, "batch outputs"]:
        out: Tensor = self.head(self.features(series.transpose(1, 2)).mean(2))
        return out
