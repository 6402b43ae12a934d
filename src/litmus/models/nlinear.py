"""NLinear (Zeng et al. 2023, "Are transformers effective for time series forecasting?")."""

from jaxtyping import Float
from torch import Tensor, nn

from litmus.limits import Size


class NLinear(nn.Module):
    """Maps what a series was above its last step to the horizon, all channels alike, and adds that step again.

    Args:
        length: Steps that are seen.
        horizon: Steps that are forecast.
    """

    def __init__(self, length: Size, horizon: Size) -> None:
        super().__init__()
        self.horizon = horizon
        self.linear = nn.Linear(length, horizon)

    def forward(self, series: Float[Tensor, "batch length channels"]) -> Float[Tensor, "batch {self.horizon}*channels"]:
        last = series[:, -1:]
        forecast: Tensor = self.linear((series - last).transpose(1, 2)).transpose(1, 2) + last
        return forecast.flatten(1)
