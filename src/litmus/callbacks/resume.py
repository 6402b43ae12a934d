"""Puts a resumed run back between the two steps where its checkpoint was written."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Timer

from litmus.data.order import Batches


class Resume(Callback):
    """Goes on with the first batch that was not seen, or not at all where training had ended early.

    Lightning's loops guess by their counters where a checkpoint was written, and know other places than this one: they
    would skip a step, validate twice, or count a step too many. So the counters are set to what they were here, and the
    guess to none (pytorch_lightning 2.6, loops/fit_loop.py and loops/training_epoch_loop.py).
    """

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        left = [each.time_remaining() for each in callbacks if isinstance(each, Timer)]
        out_of_time = any(seconds is not None and seconds <= 0 for seconds in left)
        checkpoint["stopped"] = trainer.should_stop and not out_of_time  # which a Timer finds out by itself

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Stays stopped, unless EarlyStopping was given more patience since."""
        trainer.should_stop = checkpoint["stopped"]
        for early in trainer.early_stopping_callbacks:
            state = checkpoint["callbacks"].get(early.state_key, {})
            patience, waited = state.get("patience", 0), state.get("wait_count", 0)
            if waited >= patience and waited < early.patience:
                trainer.should_stop = False
            state["patience"] = early.patience  # it would take back the old one
        if trainer.state.fn == "fit":
            for logger in trainer.loggers:
                if hasattr(logger, "go_on_from"):
                    logger.go_on_from(checkpoint["global_step"])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        fit, steps = trainer.fit_loop, trainer.fit_loop.epoch_loop
        if not fit.is_resuming:
            return
        epochs: Any = fit.epoch_progress
        batches = steps.batch_progress
        is_inside = epochs.current.started > epochs.current.processed
        for progress in (epochs, batches):
            progress.current.reset_on_restart()
            progress.total.reset_on_restart()
        batches.is_last_batch = False
        if not is_inside:
            batches.current.reset()
        done = batches.current.completed
        fit._restarting, fit._restart_stage = False, "none"
        steps._restarting, steps._restart_stage = done > 0, "none"
        if done and not steps._should_accumulate():
            steps._batches_that_stepped -= 1  # it will add one
        assert fit._data_fetcher is not None
        if done and steps._should_check_val_fx(fit._data_fetcher):  # it will count that validation again
            steps.val_loop.batch_progress.total.increment_by(-int(max(steps.val_loop.max_batches)))
        self._skip(trainer, done)

    def _skip(self, trainer: Trainer, done: int) -> None:
        """Has the loader begin behind the batches of this epoch that are done."""
        loader: Any = trainer.train_dataloader
        batches = loader.sampler
        if isinstance(batches, Batches):
            batches.start_at(trainer.current_epoch, done)
        elif done:
            raise ValueError(
                f"{type(batches).__name__} can't go on inside an epoch: derive it from litmus.data.order.Batches"
            )
        assert trainer.fit_loop._data_fetcher is not None
        iter(trainer.fit_loop._data_fetcher)  # its workers may have read ahead from the beginning
