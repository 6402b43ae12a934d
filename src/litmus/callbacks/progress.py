"""Progress for people: a bar in a terminal, plain lines in a log file."""

import sys
import time
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar
from tqdm import tqdm

SHOWN = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "val/mse", "val/r2", "val/perplexity")
REFRESH = 0.2  # seconds between two looks of the bar


class Progress(ProgressBar):
    """One line an epoch with its metrics; between them a bar if stderr is a terminal, else a line now and then.

    Args:
        every_n_seconds: Between lines within an epoch, where there is no bar.
    """

    def __init__(self, every_n_seconds: float) -> None:
        super().__init__()
        self.bar: tqdm[Any] | None = None
        self.interactive = sys.stderr.isatty()
        self.interval = REFRESH if self.interactive else every_n_seconds
        self.enabled = True
        self.seconds: float | None = None  # of an epoch whose line is due

    def disable(self) -> None:
        """Called by Lightning on every rank but 0."""
        self.enabled = False

    def enable(self) -> None:
        self.enabled = True

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.enabled:
            parameters = sum(parameter.numel() for parameter in pl_module.parameters())
            print(f"{type(pl_module).__name__}: {parameters:,} parameters on {pl_module.device}", flush=True)

    def on_train_epoch_start(self, trainer: Trainer, *_: Any) -> None:
        self._end_epoch(trainer)
        epochs = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
        self.epoch = f"epoch {trainer.current_epoch + 1}{epochs}"
        self.started = self.looked = time.monotonic()
        if self.enabled and self.interactive:
            self.bar = tqdm(desc=self.epoch, total=self._steps(trainer), leave=False)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.monotonic()
        if now - self.looked < self.interval or not self.enabled:
            return
        self.looked = now
        if self.bar is not None:
            self.bar.set_postfix_str(self._metrics(trainer), refresh=False)
            self.bar.update(batch_idx + 1 - self.bar.n)
        else:
            self._line(trainer, f" step {batch_idx + 1}/{self._steps(trainer) or '?'}")

    def on_train_epoch_end(self, *_: Any) -> None:
        self._close_bar()
        self.seconds = time.monotonic() - self.started

    def on_train_end(self, trainer: Trainer, *_: Any) -> None:
        self._end_epoch(trainer)

    def on_test_end(self, trainer: Trainer, *_: Any) -> None:
        if self.enabled:
            print("  ".join(f"{name} {value:.4f}" for name, value in trainer.callback_metrics.items()), flush=True)

    def on_exception(self, *_: Any) -> None:
        self._close_bar()

    def _end_epoch(self, trainer: Trainer) -> None:
        """Called late, for the network logs the end of an epoch after its callbacks have seen it."""
        if self.seconds is not None:
            self._line(trainer, f"  {self.seconds:.1f} s")
            self.seconds = None

    def _close_bar(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _line(self, trainer: Trainer, position: str) -> None:
        if self.enabled:
            print(f"{self.epoch}{position}  {self._metrics(trainer)}", flush=True)

    def _steps(self, trainer: Trainer) -> int | None:
        return None if trainer.num_training_batches == float("inf") else int(trainer.num_training_batches)

    def _metrics(self, trainer: Trainer) -> str:
        metrics = trainer.callback_metrics
        return "  ".join(f"{name} {metrics[name]:.4f}" for name in SHOWN if name in metrics)
