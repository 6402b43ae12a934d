"""How much later validation gets there than training: what grokking is (Power et al. 2022)."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer


class Delay(Callback):
    """Logs `val/delay`: the step at which validation first reached a level, over that at which training did.

    Args:
        metric: Of training and validation, such as `accuracy`.
        level: To reach.
        stop: End the run when validation is there.
    """

    def __init__(self, metric: str, level: float, stop: bool) -> None:
        self.metric, self.level, self.stop = metric, level, stop
        self.reached: dict[str, int] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for stage in ("train", "val"):
            value = trainer.callback_metrics.get(f"{stage}/{self.metric}")
            if value is not None and value >= self.level:
                self.reached.setdefault(stage, trainer.global_step)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if len(self.reached) == 2:
            pl_module.log("val/delay", self.reached["val"] / self.reached["train"])
            trainer.should_stop |= self.stop

    def state_dict(self) -> dict[str, Any]:
        return {"reached": self.reached}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.reached = dict(state_dict["reached"])
