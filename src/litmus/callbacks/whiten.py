"""Sets a network's first layer to whiten the training images (airbench, Jordan 2024), and trains its bias a while."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.optim import Optimizer


class Whiten(Callback):
    """Fits the layer before the first step of a run.

    Args:
        images: How many of the training images it is fitted to.
        bias_epochs: In which its bias is trained.

    Raises:
        ValueError: If the network has no such layer, or the data are not images in memory.
    """

    def __init__(self, images: int, bias_epochs: int) -> None:
        if images < 1 or bias_epochs < 0:
            raise ValueError(
                f"callbacks.whiten: images={images} is at least 1, and bias_epochs={bias_epochs} at least 0"
            )
        self.images, self.bias_epochs = images, bias_epochs

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.ckpt_path is not None:  # what was fitted comes with the weights
            return
        net: Any = pl_module.net
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not hasattr(net, "fit_whitening") or not hasattr(data.train_set, "chosen"):
            raise ValueError("callbacks.whiten needs model=airbench and a set of images in memory")
        images, _ = data.train_set[torch.arange(min(self.images, len(data.train_set)))]
        net.fit_whitening(data.normalise(images.to(pl_module.device)))

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        if trainer.current_epoch >= self.bias_epochs:
            net: Any = pl_module.net
            net.whiten.bias.grad = None
