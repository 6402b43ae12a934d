"""What every task shares: sums of training without waiting for the device, scores of validation and test, the
optimizer with its schedule."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities import move_data_to_device
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MeanMetric, Metric, MetricCollection

from litmus.ranks import gather

Batch = tuple[Tensor, Tensor]
Optimizer = Callable[[Iterable[Any]], torch.optim.Optimizer]
Schedule = Callable[[int, int], float]
Scores = Mapping[str, Metric | MetricCollection]


class Task(LightningModule):
    """Trains a network. A task gives a loss in `training_step`, and judges a batch of validation or test.

    What a training step adds is summed on the device and read only every `log_every_n_steps`: no step waits.

    Args:
        net: From a batch of inputs to its outputs; its `parameter_groups()`, if it has some, may scale the rate by
            `lr_scale` and the decay by `decay_scale`, and set any value of the optimizer.
        optimizer: From parameters to a torch optimizer.
        schedule: From (step, number of steps) to the factor on the optimizer's learning rate.
        scores: Metrics of validation and test besides the loss, updated with predictions and targets.
    """

    def __init__(self, net: nn.Module, optimizer: Optimizer, schedule: Schedule, scores: Scores) -> None:
        super().__init__()
        self.net, self.optimizer, self.schedule = net, optimizer, schedule
        self.losses = nn.ModuleDict({stage: MeanMetric() for stage in ("val", "test")})
        self.scores = nn.ModuleDict(
            {stage: MetricCollection(dict(scores), prefix=f"{stage}/").clone() for stage in ("val", "test")}
        )
        if not torch.backends.mps.is_available():  # it has no such numbers, whose sum knows no order
            for metric in (*self.losses.values(), *self.scores.values()):
                cast(Metric, metric).set_dtype(torch.float64)
        self.sums: dict[str, Tensor] = {}
        self.counts: Counter[str] = Counter()
        self.logged_step = 0

    def judge(self, stage: str, batch: Batch) -> tuple[Tensor, Tensor, Tensor, int]:
        """Predictions, targets, mean loss, and the number of what the loss is the mean of."""
        raise NotImplementedError

    def derive(self, stage: str, loss: Tensor) -> dict[str, Tensor]:
        """What else the mean loss says; nothing, for most tasks."""
        return {}

    def predictions(self, outputs: Tensor) -> Tensor:
        """What a batch of outputs says; the outputs themselves, for most tasks."""
        return outputs

    def columns(self, data: Any) -> list[str]:
        """Names of what `rows` gives; none for a task that predicts nothing."""
        raise NotImplementedError

    def rows(self, prediction: Tensor, data: Any) -> list[list[Any]]:
        """What is predicted of one example, in the words and units of its data."""
        raise NotImplementedError

    def add(self, name: str, total: Tensor, count: int) -> None:
        """Adds to what is logged as `train/name`: the sum of the totals over that of the counts."""
        self.sums[name] = self.sums.get(name, 0) + total.detach()
        self.counts[name] += count

    def on_fit_start(self) -> None:
        self.log_every_n_steps = cast(int, self.trainer.log_every_n_steps)  # type: ignore[attr-defined]

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        step, every = self.trainer.global_step, self.log_every_n_steps
        if step > self.logged_step and every > 0 and step % every == 0:
            self.logged_step = step
            self._log_sums()

    def on_train_epoch_end(self) -> None:
        self._log_sums()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._step("val", batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        self._log_scores("val")

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Predictions, for whoever draws them; None for a batch that counts on another rank."""
        return self._step("test", batch, batch_idx)

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        total = self.trainer.estimated_stepping_batches
        if total == float("inf"):
            raise ValueError("the schedule needs an end: give trainer.max_epochs or trainer.max_steps")
        self.total_steps = int(total)
        self.rate: float = self.optimizer.keywords["lr"]  # type: ignore[attr-defined]
        try:
            optimizer = self.optimizer(self._parameter_groups())
        except ValueError as error:  # torch's word on a rate or a momentum
            raise ValueError(f"optimizer: {error}") from error
        schedule = LambdaLR(optimizer, lambda step: self.schedule(step, self.total_steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def carried(self) -> dict[str, Any]:
        """What this rank's training step leaves to the next one, besides the weights."""
        return {"sums": dict(self.sums), "counts": dict(self.counts), "logged_step": self.logged_step}

    def carry_on(self, carried: dict[str, Any]) -> None:
        """The reverse."""
        self.sums, self.counts = dict(carried["sums"]), Counter(carried["counts"])
        self.logged_step = carried["logged_step"]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["carried"] = gather(move_data_to_device(self.carried(), torch.device("cpu")))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """On another number of ranks, what they carried is left behind."""
        of_ranks = checkpoint["carried"]
        if len(of_ranks) == self.trainer.world_size:
            mine = of_ranks[self.trainer.global_rank]
            self.carry_on(move_data_to_device(mine, self.trainer.strategy.root_device))

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        try:
            return super().load_state_dict(state_dict, strict, assign)
        except (RuntimeError, TypeError) as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise ValueError(f"the weights of the checkpoint are not those of this run's network: {reason}") from error

    def evaluate(self, stage: str, batch: Batch) -> Tensor:
        """Judges a batch and adds it to the scores; gives the predictions."""
        predictions, targets, loss, count = self.judge(stage, batch)
        losses, scores = self._metrics(stage)
        losses.update(loss, count)
        scores.update(predictions, targets)
        return predictions

    def _step(self, stage: str, batch: Batch, batch_idx: int) -> Tensor | None:
        batches: Any = getattr(getattr(self.trainer, f"{stage}_dataloaders", None), "sampler", None)
        if not hasattr(batches, "counts") or batches.counts(batch_idx):
            return self.evaluate(stage, batch)
        self.judge(stage, batch)  # for the others, which wait for this rank in every forward
        return None

    def _parameter_groups(self) -> Iterable[Any]:
        if not hasattr(self.net, "parameter_groups"):
            return self.net.parameters()
        groups: list[dict[str, Any]] = cast(Any, self.net).parameter_groups()
        for group in groups:
            group.setdefault("lr", self.rate * group.pop("lr_scale", 1.0))
            if "decay_scale" in group:
                group["weight_decay"] = self.optimizer.keywords["weight_decay"] * group.pop("decay_scale")  # type: ignore[attr-defined]
        return groups

    def _start_sums(self) -> None:
        self.sums, self.counts = {}, Counter()

    def _log_sums(self) -> None:
        """Means since the last time."""
        if self.sums:
            self.log_dict(
                {f"train/{name}": total / self.counts[name] for name, total in self.sums.items()}, sync_dist=True
            )
            self.log("train/lr", self.rate * self.schedule(self.trainer.global_step - 1, self.total_steps))
            self._start_sums()

    def _log_scores(self, stage: str) -> None:
        losses, scores = self._metrics(stage)
        loss = losses.compute()
        self.log_dict({f"{stage}/loss": loss, **self.derive(stage, loss), **scores.compute()})
        losses.reset()
        scores.reset()

    def _metrics(self, stage: str) -> tuple[MeanMetric, MetricCollection]:
        return cast(MeanMetric, self.losses[stage]), cast(MetricCollection, self.scores[stage])
