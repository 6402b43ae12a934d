"""Writes what a run is made of and how it does into its record, while it runs."""

import logging
import math
from typing import Any, cast

import torch
from omegaconf import OmegaConf
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import WandbLogger

from litmus.callbacks.checkpoint import Checkpoint
from litmus.callbacks.throughput import Throughput
from litmus.rate import batch_size, scaled_rate
from litmus.run import Run

log = logging.getLogger(__name__)


class Record(Callback):
    """Parameters, devices, data and metrics for run.json."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.metrics: dict[str, float | None] = dict(run.record.get("metrics", {}))

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.run.update(
            parameters=sum(p.numel() for p in pl_module.parameters()),
            device=str(trainer.strategy.root_device),
            device_name=name_of(trainer.strategy.root_device),
            world_size=trainer.world_size,
            batch_size=batch_size(self.run.config),
            lr=scaled_rate(self.run.config),
            precision=str(trainer.precision),
        )
        for logger in trainer.loggers:
            logger.log_hyperparams(cast(dict[str, Any], OmegaConf.to_container(self.run.config)))
            if isinstance(logger, WandbLogger) and trainer.is_global_zero and not logger.experiment.offline:
                url = logger.experiment.url
                if url:  # none if W&B is disabled
                    log.info(f"W&B: {url}")
                    self.run.update(url=url)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._update(trainer, epoch=trainer.current_epoch + 1, step=trainer.global_step)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        rates = [callback.examples_per_second for callback in callbacks if isinstance(callback, Throughput)]
        facts: dict[str, Any] = {"examples_per_second": rates[0]} if rates else {}
        for each in callbacks:
            if isinstance(each, Checkpoint) and each.best is not None:
                facts["objective"] = {"metric": each.monitor, "mode": each.mode, "value": each.best}
        self._update(trainer, **facts)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._update(trainer)

    def _update(self, trainer: Trainer, **facts: Any) -> None:
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.metrics.update({name: value if math.isfinite(value) else None for name, value in values.items()})
        self.run.update(metrics=self.metrics, data=trainer.datamodule.fingerprints, **facts)  # type: ignore[attr-defined]


def name_of(device: torch.device) -> str:
    """What a GPU is called, or what kind of device another one is."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
