"""Stops training when it no longer computes with numbers, and says where it began."""

import logging
from math import isfinite
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from litmus.data.order import Batches
from litmus.ranks import any_of, gather

log = logging.getLogger(__name__)
SHOWN = 8  # examples of a batch that are named


class Finite(Callback):
    """Looks for losses that are NaN or infinite: on a GPU every `log_every_n_steps`, so that no step waits for it.

    No checkpoint is written from weights that are none.

    Args:
        skip: Steps to leave out before training is stopped. Above 0, every step waits for its gradients, and one whose
            gradients or statistics of normalisation are not finite leaves weights, optimizer and logged means as they
            were; the schedule goes on.

    Raises:
        ValueError: With the batch, when there was one too many.
    """

    def __init__(self, skip: int) -> None:
        if skip < 0:
            raise ValueError(f"callbacks.finite.skip={skip} is below 0")
        self.skip, self.skipped = skip, 0
        self.losses: list[Tensor] = []
        self.batch_idx = -1  # of the last of them
        self.before: tuple[dict[str, Any], list[Tensor]] = ({}, [])

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self.skip and batch_idx % trainer.accumulate_grad_batches == 0:
            self.before = pl_module.carried(), [buffer.clone() for buffer in pl_module.buffers()]

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: Any, optimizer: Optimizer) -> None:
        if not self.skip:
            return
        gradients = [weight.grad for weight in pl_module.parameters() if weight.grad is not None]
        statistics = [buffer for buffer in pl_module.buffers() if buffer.is_floating_point()]
        broken = not get_total_norm([*gradients, *statistics]).isfinite()
        if not any_of(broken, pl_module.device):
            return
        self.skipped += 1
        batch_idx = trainer.fit_loop.batch_idx
        if self.skipped > self.skip:
            raise ValueError(
                f"the gradients are not finite {self._where(trainer, batch_idx)}, after {self.skip} such steps"
            )
        log.warning(f"the gradients are not finite {self._where(trainer, batch_idx)}: the step is left out")
        for weight in pl_module.parameters():
            weight.grad = None  # which an optimizer passes over
        carried, buffers = self.before
        pl_module.carry_on(carried)
        for buffer, was in zip(pl_module.buffers(), buffers, strict=True):
            buffer.copy_(was)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.skip:
            return
        self.losses.append(outputs["loss"])
        self.batch_idx = batch_idx
        at_once = pl_module.device.type == "cpu" and trainer.world_size == 1
        every: int = 1 if at_once else trainer.log_every_n_steps  # type: ignore[attr-defined]
        if len(self.losses) >= every > 0:
            self._look(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._look(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._look(trainer)
        weights = {name: value for name, value in pl_module.state_dict().items() if value.is_floating_point()}
        mine = next((name for name, value in weights.items() if not value.isfinite().all()), None)
        if bad := next(filter(None, gather(mine)), None):
            raise ValueError(
                f"{bad} is no longer a finite number after step {trainer.global_step}, in epoch "
                f"{trainer.current_epoch + 1}, so no checkpoint is written: lower optimizer.lr, or give clip=1.0"
            )

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.skipped = state_dict["skipped"]

    def _look(self, trainer: Trainer) -> None:
        """At the losses since the last look, on all ranks."""
        losses = torch.stack(self.losses).tolist() if self.losses else []
        self.losses = []
        numbers = range(self.batch_idx + 1 - len(losses), self.batch_idx + 1)
        bad = next(((number, loss) for number, loss in zip(numbers, losses, strict=True) if not isfinite(loss)), None)
        said = f"the loss is {bad[1]} {self._where(trainer, bad[0])}" if bad else None
        if first := next(filter(None, gather(said)), None):
            raise ValueError(
                f"{first}: lower optimizer.lr, give clip=1.0, or leave such steps out with callbacks.finite.skip=10"
            )

    def _where(self, trainer: Trainer, batch_idx: int) -> str:
        """The batch, and the examples in it."""
        where = f"in epoch {trainer.current_epoch + 1} at batch {batch_idx + 1}"
        loader: Any = trainer.train_dataloader
        batches = loader.sampler
        if not isinstance(batches, Batches):
            return where
        examples = batches.draw(trainer.current_epoch)(batch_idx).reshape(-1).tolist()
        more = ", ..." if len(examples) > SHOWN else ""
        return f"{where} (training examples {', '.join(map(str, examples[:SHOWN]))}{more})"
