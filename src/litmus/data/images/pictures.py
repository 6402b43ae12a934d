"""What data modules of images share: they are normalised and augmented on the device, and read for prediction."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch import Tensor

from litmus.data.images.augment import Augment
from litmus.data.images.image_folder import read_image
from litmus.data.order import seed_of

Batch = tuple[Tensor, Tensor]


class Pictures(LightningDataModule):
    """Takes batches of bytes [batch, height, width, channels] to what a network takes."""

    seed: int

    def declare(
        self, image_shape: Sequence[int], mean: Sequence[float], std: Sequence[float], augment: Augment
    ) -> None:
        """Takes what holds for all images.

        Args:
            image_shape: Channels, height, width.
            mean: Of each channel, for values from 0 to 1.

        Raises:
            ValueError: If there are not as many means as channels.
        """
        if not len(mean) == len(std) == image_shape[0]:
            raise ValueError(f"data.mean and data.std need {image_shape[0]} values each, one a channel")
        self.image_shape, self.augment = tuple(image_shape), augment
        self.mean, self.std = torch.tensor(mean) * 255, torch.tensor(std) * 255

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Augments a training batch and normalises any."""
        images, labels = batch
        trainer = self.trainer
        assert trainer is not None
        if trainer.training:
            step = trainer.fit_loop.epoch_loop.batch_progress.current.ready
            seed = seed_of(self.seed, trainer.current_epoch, step, trainer.global_rank)
            images = self.augment(
                images, torch.Generator(images.device).manual_seed(seed), trainer.current_epoch, self.seed
            )
        return trainer.precision_plugin.convert_input(self.normalise(images)), labels

    def normalise(self, images: Tensor) -> Tensor:
        """Bytes [batch, height, width, channels] to floats [batch, channels, height, width] in channels_last."""
        self.mean, self.std = self.mean.to(images.device), self.std.to(images.device)
        return images.float().sub_(self.mean).div_(self.std).permute(0, 3, 1, 2)

    def examples(self, path: Path) -> Iterator[tuple[str, Tensor]]:
        """Name and bytes [height, width, channels] of the image in a file, for prediction."""
        yield str(path), torch.from_numpy(read_image(path, self.image_shape))

    def example(self, file: bytes) -> Tensor:
        """Bytes [height, width, channels] of the image in the bytes of a file.

        Raises:
            ValueError: If they can't be read as one.
        """
        return torch.from_numpy(read_image(BytesIO(file), self.image_shape))

    def preprocessing(self) -> dict[str, Any]:
        """What stands between an image file and the network, in plain values: size, then mean and standard deviation of
        each channel, for values from 0 to 255."""
        return {
            "kind": "image",
            "image_shape": list(self.image_shape),
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
        }

    def batch(self, examples: Sequence[Tensor]) -> Tensor:
        """Images [batch, channels, height, width], ready for the network."""
        return self.normalise(torch.stack(list(examples)))

    def picture(self, image: Tensor) -> NDArray[np.uint8]:
        """The bytes [height, width, channels] behind one normalised image."""
        pixels = image.permute(1, 2, 0) * self.std.to(image.device) + self.mean.to(image.device)
        return pixels.round().clamp(0, 255).to(torch.uint8).cpu().numpy()
