"""Regression: mean squared error on standardised targets; MSE, MAE, R2, and the share that is right within a margin, in
the targets' own units."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, R2Score

from litmus.limits import Scale
from litmus.tasks.task import Batch, Optimizer, Schedule, Task


class R2(R2Score):
    """Of one example alone, as a trial run may score, there is none."""

    def compute(self) -> Tensor:
        return super().compute() if self.total > 1 else torch.full_like(self.total, torch.nan, dtype=torch.float32)


class Within(Metric):
    """The share of predictions that are less than a margin off."""

    right: Tensor
    total: Tensor

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin
        for name in ("right", "total"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        self.right += ((predictions - targets).abs() < self.margin).sum()
        self.total += targets.numel()

    def compute(self) -> Tensor:
        return self.right / self.total


class Regression(Task):
    """Trains a network that gives every input of a batch a row of numbers.

    The network works on targets with mean 0 and standard deviation 1 over the training part, whatever their units; the
    two are taken from the data when training starts, and are kept with the weights.

    Args:
        net: From inputs to standardised numbers [batch, targets].
        optimizer: From parameters to a torch optimizer.
        schedule: From (step, number of steps) to the factor on the optimizer's learning rate.
        targets: Numbers to predict.
        margin: Below which an error is none, for the score `within`; None leaves it out.
    """

    target_mean: Tensor
    target_std: Tensor

    def __init__(
        self, net: nn.Module, optimizer: Optimizer, schedule: Schedule, targets: int, margin: Scale | None = None
    ) -> None:
        scores: dict[str, Metric] = {"mse": MeanSquaredError(), "mae": MeanAbsoluteError(), "r2": R2()}
        super().__init__(net, optimizer, schedule, scores if margin is None else {**scores, "within": Within(margin)})
        if targets < 1:
            raise ValueError(f"task.targets={targets} is not at least 1")
        self.register_buffer("target_mean", torch.zeros(targets))
        self.register_buffer("target_std", torch.ones(targets))

    def setup(self, stage: str) -> None:
        if stage == "fit":
            data = self.trainer.datamodule  # type: ignore[attr-defined]
            self.target_mean.copy_(data.target_mean)
            self.target_std.copy_(data.target_std)

    def forward(self, inputs: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "batch targets"]:
        """Predictions in the targets' own units."""
        return cast(Tensor, self.net(inputs)) * self.target_std + self.target_mean

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        inputs, targets = batch
        loss = F.mse_loss(self.net(inputs), (targets - self.target_mean) / self.target_std)
        self.add("loss", loss, 1)
        return loss

    def judge(self, stage: str, batch: Batch) -> tuple[Tensor, Tensor, Tensor, int]:
        """Deviations from the training mean, in the targets' own units: no score depends on where zero is, but sums of
        squares far from it would lose their digits."""
        inputs, targets = batch
        outputs, deviations = self.net(inputs), targets - self.target_mean
        return outputs * self.target_std, deviations, F.mse_loss(outputs, deviations / self.target_std), len(targets)

    def columns(self, data: Any) -> list[str]:
        count = len(self.target_mean)
        return ["prediction"] if count == 1 else [f"prediction {number}" for number in range(1, count + 1)]

    def rows(self, prediction: Tensor, data: Any) -> list[list[Any]]:
        return [prediction.tolist()]

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        deviations = super().test_step(batch, batch_idx)
        return None if deviations is None else deviations + self.target_mean
