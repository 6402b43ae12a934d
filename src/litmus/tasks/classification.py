"""Classification: cross-entropy, accuracy, macro F1, confusion matrix."""

from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MeanMetric, Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassF1Score

TOP = 5  # top-5 accuracy is reported where there are more than twice as many classes

Batch = tuple[Tensor, Tensor]


class Classification(LightningModule):
    """Trains a network that gives every input of a batch a row of logits.

    Loss and accuracy of training are summed on the device and read only every `log_every_n_steps`: no step waits.

    Args:
        net: From inputs to logits [batch, classes].
        optimizer: From parameters to a torch optimizer.
        schedule: From (step, number of steps) to the factor on the optimizer's learning rate.
        label_smoothing: Of the training loss; the losses of validation and test are plain.
    """

    def __init__(
        self,
        net: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        schedule: Callable[[int, int], float],
        num_classes: int,
        label_smoothing: float,
    ) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"task.label_smoothing={label_smoothing} is not a share from 0 up to 1")
        self.net, self.optimizer, self.schedule, self.label_smoothing = net, optimizer, schedule, label_smoothing
        self.losses = nn.ModuleDict({stage: MeanMetric() for stage in ("val", "test")})
        self.scores = nn.ModuleDict({stage: scores(num_classes, f"{stage}/") for stage in ("val", "test")})
        self.confusion = MulticlassConfusionMatrix(num_classes, validate_args=False)
        self.loss_sum = self.correct = torch.zeros(())
        self.steps = self.seen = self.logged_step = 0

    def forward(self, inputs: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        return cast(Tensor, self.net(inputs))

    def on_fit_start(self) -> None:
        self.log_every_n_steps = cast(int, self.trainer.log_every_n_steps)  # type: ignore[attr-defined]

    def on_train_epoch_start(self) -> None:
        self._start_sums()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        inputs, labels = batch
        logits = self(inputs)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        self.loss_sum += loss.detach()
        self.correct += (logits.detach().argmax(1) == labels).sum()
        self.steps += 1
        self.seen += len(labels)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        step, every = self.trainer.global_step, self.log_every_n_steps
        if step > self.logged_step and every > 0 and step % every == 0:
            self.logged_step = step
            self._log_sums()

    def on_train_epoch_end(self) -> None:
        self._log_sums()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._score("val", batch)

    def on_validation_epoch_end(self) -> None:
        self._log_scores("val")

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        logits, labels = self._score("test", batch)
        self.confusion.update(logits, labels)
        return logits

    def on_test_start(self) -> None:
        self.confusion.reset()

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        total = self.trainer.estimated_stepping_batches
        if total == float("inf"):
            raise ValueError("the schedule needs an end: give trainer.max_epochs or trainer.max_steps")
        self.total_steps = int(total)
        try:
            optimizer = self.optimizer(self.net.parameters())
        except ValueError as error:  # torch's word on a rate or a momentum
            raise ValueError(f"optimizer: {error}") from error
        schedule = LambdaLR(optimizer, lambda step: self.schedule(step, self.total_steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _start_sums(self) -> None:
        self.loss_sum, self.correct = torch.zeros(2, device=self.device).unbind()
        self.steps = self.seen = 0

    def _log_sums(self) -> None:
        """Means since the last time."""
        if self.steps:
            means = {"train/loss": self.loss_sum / self.steps, "train/accuracy": self.correct / self.seen}
            self.log_dict(means, sync_dist=True)
            initial = self.trainer.optimizers[0].param_groups[0]["initial_lr"]
            self.log("train/lr", initial * self.schedule(self.trainer.global_step - 1, self.total_steps))
            self._start_sums()

    def _score(self, stage: str, batch: Batch) -> tuple[Tensor, Tensor]:
        inputs, labels = batch
        logits = self(inputs)
        loss, scores = self._metrics(stage)
        loss.update(F.cross_entropy(logits, labels), len(labels))
        scores.update(logits, labels)
        return logits, labels

    def _log_scores(self, stage: str) -> None:
        loss, scores = self._metrics(stage)
        self.log_dict({f"{stage}/loss": loss.compute(), **scores.compute()})
        loss.reset()
        scores.reset()

    def _metrics(self, stage: str) -> tuple[MeanMetric, MetricCollection]:
        return cast(MeanMetric, self.losses[stage]), cast(MetricCollection, self.scores[stage])


def scores(num_classes: int, prefix: str) -> MetricCollection:
    """Accuracy over all examples, F1 as the mean over classes, top-5 accuracy where it says something."""
    metrics: dict[str, Metric | MetricCollection] = {
        "accuracy": MulticlassAccuracy(num_classes, average="micro", validate_args=False),
        "f1": MulticlassF1Score(num_classes, average="macro", validate_args=False),
    }
    if num_classes > 2 * TOP:
        metrics["top5_accuracy"] = MulticlassAccuracy(num_classes, TOP, average="micro", validate_args=False)
    return MetricCollection(metrics, prefix=prefix)
