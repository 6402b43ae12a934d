"""Lookahead (Zhang et al. 2019) with an average that grows slower towards the end, as in airbench (Jordan 2024)."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor


class Lookahead(Callback):
    """Every few steps the weights move into their average, and go on from there; the run ends with the average.

    Statistics of batch normalisation are averaged, too.

    Args:
        every: Steps.
        decay: What is left of the average each time, at the end; less before, by the cube of the share of the run.

    Raises:
        ValueError: If a value makes no sense.
    """

    def __init__(self, every: int, decay: float) -> None:
        if every < 1 or not 0 <= decay <= 1:
            raise ValueError(f"callbacks.lookahead: every={every} is at least 1, and decay={decay} from 0 to 1")
        self.every, self.decay = every, decay
        self.average: list[Tensor] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        values = _values(pl_module)
        if self.average is None:
            self.average = [value.clone() for value in values]
        self.average = [mean.to(value.device) for mean, value in zip(self.average, values, strict=True)]
        self.seen = trainer.global_step

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step, total = trainer.global_step, int(trainer.estimated_stepping_batches)
        assert self.average is not None
        if step == self.seen:  # gradients are being accumulated
            return
        self.seen = step
        values = _values(pl_module)
        if step % self.every == 0:
            torch._foreach_lerp_(self.average, values, 1 - self.decay * (step / total) ** 3)
            torch._foreach_copy_(values, self.average)
        if step >= total:
            torch._foreach_copy_(values, self.average)

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.average = state_dict["average"]


def _values(module: LightningModule) -> list[Tensor]:
    """Weights and statistics of the network, but for whole numbers."""
    net: Any = module.net
    return [value for value in net.state_dict().values() if value.is_floating_point()]
