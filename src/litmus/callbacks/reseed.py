"""Randomness inside the network (dropout) as a function of (seed, epoch, step, rank): nothing to store, nothing to
lose."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from litmus.data.order import seed_of


class Reseed(Callback):
    """Seeds torch's generators before every training step, for a resumed run to draw what it would have drawn."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        torch.manual_seed(seed_of(self.seed, trainer.current_epoch, batch_idx, trainer.global_rank))
