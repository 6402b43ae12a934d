"""Examples per second of training, everything but validation, and the memory that it takes."""

import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

GIB = 2**30  # bytes
RESIDENT = Path("/proc/self/statm")  # Linux's: its second number is of pages in memory


class Throughput(Callback):
    """Times every epoch without its validations and logs `train/examples_per_second`, over all devices, with
    `train/memory_gib`, what the process holds, and `train/gpu_memory_gib`, the most that its tensors took."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    @property
    def examples_per_second(self) -> float | None:
        """The median over the epochs; the first, with its warm-up, only counts if it is the only one."""
        return statistics.median(self.rates[1:] or self.rates) if self.rates else None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.start = now(trainer)
        self.batches = trainer.fit_loop.epoch_loop.batch_progress.total.completed

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.pause = now(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self.start += now(trainer) - self.pause

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        batches = trainer.fit_loop.epoch_loop.batch_progress.total.completed - self.batches
        examples = batches * trainer.datamodule.batch_size  # type: ignore[attr-defined]
        self.rates.append(examples / (now(trainer) - self.start))
        pl_module.log_dict({"train/examples_per_second": self.rates[-1], **memory(trainer.strategy.root_device)})

    def state_dict(self) -> dict[str, Any]:
        return {"rates": self.rates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rates = state["rates"]


def now(trainer: Trainer) -> float:
    """Seconds, when what was asked of the device is done."""
    if trainer.strategy.root_device.type == "cuda":
        torch.cuda.synchronize(trainer.strategy.root_device)
    return time.perf_counter()


def memory(device: torch.device) -> dict[str, float]:
    """What this process holds now, and the most that tensors took on its GPU so far, in GiB."""
    found = {"train/memory_gib": resident() / GIB}
    if device.type == "cuda":
        found["train/gpu_memory_gib"] = torch.cuda.max_memory_allocated(device) / GIB
    return found


def resident() -> int:
    """Bytes of this process that are in memory; where only that is known, the most that were."""
    if RESIDENT.exists():
        return int(RESIDENT.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
