"""Forecasting: the next steps of every channel of a series, by mean squared error on standardised values."""

from typing import Any, cast

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanSquaredError

from litmus.tasks.task import Batch, Optimizer, Schedule, Task


class Forecasting(Task):
    """Trains a network that gives every input of a batch its next steps.

    Args:
        net: From a series [batch, length, channels] to [batch, horizon x channels], step by step.
        optimizer: From parameters to a torch optimizer.
        schedule: From (step, number of steps) to the factor on the optimizer's learning rate.
        horizon: Steps that are forecast.
    """

    def __init__(self, net: nn.Module, optimizer: Optimizer, schedule: Schedule, horizon: int, channels: int) -> None:
        super().__init__(net, optimizer, schedule, {"mse": MeanSquaredError(), "mae": MeanAbsoluteError()})
        self.horizon, self.channels = horizon, channels

    def forward(self, series: Float[Tensor, "batch length channels"]) -> Float[Tensor, "batch horizon channels"]:
        return cast(Tensor, self.net(series)).reshape(-1, self.horizon, self.channels)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        series, following = batch
        loss = F.mse_loss(self(series), following)
        self.add("loss", loss, 1)
        return loss

    def judge(self, stage: str, batch: Batch) -> tuple[Tensor, Tensor, Tensor, int]:
        series, following = batch
        forecast = self(series)
        return forecast, following, F.mse_loss(forecast, following), len(following)

    def columns(self, data: Any) -> list[str]:
        return ["step", *data.columns]

    def rows(self, prediction: Tensor, data: Any) -> list[list[Any]]:
        """A row for each step, in the units of the series."""
        return [[step, *values] for step, values in enumerate(data.scale.undo(prediction).tolist(), 1)]
