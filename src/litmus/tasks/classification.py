"""Classification: cross-entropy, accuracy, macro F1, confusion matrix."""

from typing import Any, cast

import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassF1Score

from litmus.tasks.task import Batch, Optimizer, Schedule, Task

TOP = 5  # top-5 accuracy is reported where there are more than twice as many classes


class Classification(Task):
    """Trains a network that gives every input of a batch a row of logits.

    Args:
        net: From inputs to logits [batch, classes].
        optimizer: From parameters to a torch optimizer.
        schedule: From (step, number of steps) to the factor on the optimizer's learning rate.
        label_smoothing: Of the training loss; the losses of validation and test are plain.
    """

    def __init__(
        self, net: nn.Module, optimizer: Optimizer, schedule: Schedule, num_classes: int, label_smoothing: float
    ) -> None:
        super().__init__(net, optimizer, schedule, scores(max(num_classes, 2)))
        if num_classes < 2:
            raise ValueError(
                f"there is nothing to tell apart with data.num_classes={num_classes}: it takes two classes"
            )
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"task.label_smoothing={label_smoothing} is not a share from 0 up to 1")
        self.label_smoothing = label_smoothing
        self.confusion = MulticlassConfusionMatrix(num_classes, validate_args=False)

    def forward(self, inputs: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        return cast(Tensor, self.net(inputs))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        inputs, labels = batch
        logits = self(inputs)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        self.add("loss", loss, 1)
        self.add("accuracy", (logits.detach().argmax(1) == labels).sum(), len(labels))
        return loss

    def judge(self, stage: str, batch: Batch) -> tuple[Tensor, Tensor, Tensor, int]:
        inputs, labels = batch
        logits = self(inputs)
        return logits, labels, F.cross_entropy(logits, labels), len(labels)

    def columns(self, data: Any) -> list[str]:
        return ["class", "probability"]

    def predictions(self, outputs: Float[Tensor, "batch classes"]) -> Float[Tensor, "batch classes"]:
        """Probabilities."""
        return outputs.softmax(1)

    def rows(self, prediction: Tensor, data: Any) -> list[list[Any]]:
        probability, label = prediction.max(0)
        return [[data.classes[int(label)], float(probability)]]

    def on_test_start(self) -> None:
        self.confusion.reset()

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        logits = super().test_step(batch, batch_idx)
        if logits is not None:
            self.confusion.update(logits, batch[1])
        return logits


def scores(num_classes: int) -> dict[str, Metric | MetricCollection]:
    """Accuracy over all examples, F1 as the mean over classes, top-5 accuracy where it says something."""
    metrics: dict[str, Metric | MetricCollection] = {
        "accuracy": MulticlassAccuracy(num_classes, average="micro", validate_args=False),
        "f1": MulticlassF1Score(num_classes, average="macro", validate_args=False),
    }
    if num_classes > 2 * TOP:
        metrics["top5_accuracy"] = MulticlassAccuracy(num_classes, TOP, average="micro", validate_args=False)
    return metrics
