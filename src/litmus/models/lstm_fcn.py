"""LSTM-FCN for series (Karim et al. 2018, "LSTM fully convolutional networks for time series classification")."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from litmus.limits import Share, Size, Sizes
from litmus.models.fcn import features


class LSTMFCN(nn.Module):
    """An FCN beside a small LSTM that reads channel by channel: a step of it is the whole course of one channel.

    Args:
        channels: Of the series.
        cells: Width of the LSTM.
        dropout: On the LSTM's last output.
    """

    def __init__(
        self,
        channels: Size,
        length: Size,
        outputs: Size,
        maps: Sizes,
        kernels: Sizes,
        cells: Size,
        dropout: Share,
    ) -> None:
        super().__init__()
        self.features = features(channels, maps, kernels)
        self.lstm = nn.LSTM(length, cells, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(maps[-1] + cells, outputs)

    def forward(self, series: Float[Tensor, "batch length channels"]) -> Float[Tensor, "batch outputs"]:
        by_channel = series.transpose(1, 2)
        last = self.lstm(by_channel)[0][:, -1]
        out: Tensor = self.head(torch.cat([self.features(by_channel).mean(2), self.dropout(last)], dim=1))
        return out
