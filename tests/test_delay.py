"""The delay between training and validation, which is what grokking is told by."""

from collections.abc import Callable
from unittest.mock import Mock

import torch
from omegaconf import DictConfig
from pytorch_lightning import LightningModule, Trainer
from runs import last_run, record

from litmus.callbacks.delay import Delay
from train import train


def test_the_delay_is_a_ratio_of_steps_and_ends_the_run() -> None:
    callback = Delay("accuracy", 0.9, stop=True)
    logged: dict[str, float] = {}
    trainer, module = Mock(spec=Trainer, should_stop=False), Mock(spec=LightningModule)
    module.log = logged.__setitem__
    for step, train_accuracy, val_accuracy in ((10, 0.5, 0.1), (20, 0.95, 0.2), (30, 0.85, 0.3), (50, 1.0, 0.9)):
        trainer.global_step = step
        trainer.callback_metrics = {
            "train/accuracy": torch.tensor(train_accuracy), "val/accuracy": torch.tensor(val_accuracy)
        }  # fmt: skip
        assert not trainer.should_stop and logged == {}
        callback.on_validation_end(trainer, module)
        callback = restored(callback)
        callback.on_train_epoch_end(trainer, module)
    assert logged == {"val/delay": 2.5} and trainer.should_stop


def restored(callback: Delay) -> Delay:
    """As a resumed run has it."""
    other = Delay("accuracy", 0.9, stop=True)
    other.load_state_dict(callback.state_dict())
    return other


def test_it_is_a_metric_of_the_run(composed: Callable[..., DictConfig]) -> None:
    config = composed("experiment=grokking_division", "callbacks.delay.level=0.0", "epochs=5")
    train(config)
    found = record(last_run(config))
    assert found["metrics"]["val/delay"] == 0.5 and found["epoch"] == 2  # of training it is known an epoch later
