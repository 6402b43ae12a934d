"""DLinear (Zeng et al. 2023, "Are transformers effective for time series forecasting?")."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from litmus.limits import Size


class DLinear(nn.Module):
    """Splits a series into a moving average and the rest, and maps each to the horizon, all channels alike.

    Args:
        length: Steps that are seen.
        horizon: Steps that are forecast.
        window: Of the moving average, in steps; odd.
    """

    def __init__(self, length: Size, horizon: Size, window: Size) -> None:
        super().__init__()
        if window % 2 == 0:
            raise ValueError(f"model.window={window} has no middle: take an odd one")
        self.horizon, self.window = horizon, window
        self.trend = nn.Linear(length, horizon)
        self.rest = nn.Linear(length, horizon)

    def forward(self, series: Float[Tensor, "batch length channels"]) -> Float[Tensor, "batch {self.horizon}*channels"]:
        by_channel = series.transpose(1, 2)
        ends = F.pad(by_channel, (self.window // 2, self.window // 2), mode="replicate")
        trend = F.avg_pool1d(ends, self.window, stride=1)
        forecast: Tensor = self.trend(trend) + self.rest(by_channel - trend)
        return forecast.transpose(1, 2).flatten(1)
