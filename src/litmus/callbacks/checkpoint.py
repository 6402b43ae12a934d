"""When checkpoints are written: between two steps, when nothing is under way, the last few and the best."""

import math
import time
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning import Callback, LightningModule, Trainer

from litmus.checkpoint import OLD, remove
from litmus.folder import step_checkpoints
from litmus.ranks import any_of, gather
from litmus.signals import Stopped, stop


class Checkpoint(Callback):
    """Keeps what a run needs to go on, and what was best; ends the run when a signal asked for it.

    A checkpoint is written before a step begins, with all that the steps before it left, so that a resumed run takes
    that step as if it had never stopped. None to go on from is written while gradients are accumulated.

    Args:
        folder: Where they go: step-STEP.ckpt and best.ckpt, which may be two names of one file.
        monitor: What the best one is best at, of all that validation logs; `mode` says which way.
        every_n_epochs: Like the next two, null for never; the end of training is always kept.
        every_n_steps: Steps of the optimizer.
        every_n_minutes: Since the last one.
        keep: How many to keep to go on from.
    """

    def __init__(
        self,
        folder: str,
        monitor: str,
        mode: Literal["min", "max"],
        every_n_epochs: int | None,
        every_n_steps: int | None,
        every_n_minutes: float | None,
        keep: int,
    ) -> None:
        for name, value in (("every_n_epochs", every_n_epochs), ("every_n_steps", every_n_steps), ("keep", keep)):
            if value is not None and value < 1:
                raise ValueError(f"callbacks.checkpoint.{name}={value} is not at least 1")
        if every_n_minutes is not None and not every_n_minutes > 0:
            raise ValueError(f"callbacks.checkpoint.every_n_minutes={every_n_minutes} is not above 0; null is never")
        self.folder, self.monitor, self.mode, self.keep = Path(folder), monitor, mode, keep
        self.every_n_epochs, self.every_n_steps = every_n_epochs, every_n_steps
        self.seconds = math.inf if every_n_minutes is None else 60 * every_n_minutes
        self.best: float | None = None
        self.is_better = False  # what was validated last, and is not written yet

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self._tidy(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.step, self.time = trainer.global_step, time.monotonic()  # of the last one
        stop.after_step = True

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if batch_idx % trainer.accumulate_grad_batches:
            if self.is_better:
                self._write(trainer, "best")
            return
        late = time.monotonic() - self.time > self.seconds
        asked = any_of(late or stop.asked is not None, pl_module.device)
        if asked or self._is_due(trainer, batch_idx):
            self._write_step(trainer)
        elif self.is_better:
            self._write(trainer, "best")
        if asked:
            self._end_if_asked()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        if self.monitor not in trainer.callback_metrics:
            known = ", ".join(name for name in trainer.callback_metrics if name.startswith("val/"))
            raise ValueError(f"objective.metric={self.monitor} is nothing that validation logs, which is {known}")
        value = float(trainer.callback_metrics[self.monitor])
        sign = 1 if self.mode == "max" else -1
        if math.isfinite(value) and (self.best is None or sign * value > sign * self.best):
            self.best, self.is_better = value, True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._write_step(trainer)
        stop.after_step = False
        self._end_if_asked()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        stop.after_step = False

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "monitor": self.monitor, "mode": self.mode}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if (state_dict["monitor"], state_dict["mode"]) == (self.monitor, self.mode):
            self.best = state_dict["best"]

    def _is_due(self, trainer: Trainer, batch_idx: int) -> bool:
        if self.every_n_steps is not None and trainer.global_step % self.every_n_steps == 0:
            return True
        return self.every_n_epochs is not None and batch_idx == 0 and trainer.current_epoch % self.every_n_epochs == 0

    def _write_step(self, trainer: Trainer) -> None:
        """One to go on from, if there is anything new."""
        if trainer.global_step == self.step and not self.is_better:
            return
        self._write(trainer, f"step-{trainer.global_step:08d}", *(["best"] if self.is_better else []))
        self.step, self.time = trainer.global_step, time.monotonic()
        self._tidy(trainer)

    def _tidy(self, trainer: Trainer) -> None:
        """Removes what is no longer kept, and what a kill left half-written."""
        if trainer.is_global_zero:
            for old in self.folder.glob(f"*{OLD}"):  # a kill came before the new one had its name, or after
                new = old.with_name(old.name.removesuffix(OLD))
                remove(old) if new.exists() else old.rename(new)
            for path in (*step_checkpoints(self.folder.parent)[: -self.keep], *self.folder.glob("*.tmp")):
                remove(path)

    def _write(self, trainer: Trainer, name: str, *more: str) -> None:
        """The run's state under one name or two."""
        self.is_better = False
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        for logger in trainer.loggers:
            logger.save()
        path, *others = (self.folder / f"{each}.ckpt" for each in (name, *more))
        trainer.save_checkpoint(path, weights_only=False, storage_options=others)

    def _end_if_asked(self) -> None:
        asked = next((signum for signum in gather(stop.asked) if signum is not None), None)
        if asked is not None:
            raise Stopped(asked)
