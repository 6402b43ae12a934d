"""Images in memory: the whole set as one uint8 tensor, batches by indexing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from litmus.data.fingerprint import fingerprint
from litmus.data.images.augment import Augment
from litmus.data.images.pictures import Pictures
from litmus.data.loaders import Indexed, InMemory, check_batching, check_labels, hold_out
from litmus.limits import Seed, Workers

GPU_SHARE = 0.5  # of the free memory that the set may take


@runtime_checkable
class Source(Protocol):
    """Where images come from: cifar.py, idx.py, digits.py, image_folder.py."""

    def prepare(self, root: Path) -> None:
        """Downloads or decodes what is missing under `root`."""

    def load(self, root: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Images [count, height, width, channels] and labels [count] of `train` or `test`."""


class ImageData(Pictures, InMemory):
    """Train and validation images cut from a source's training split, and its test split as published.

    Args:
        root: Where the files stand or go.
        image_shape: Channels, height, width; held against the data.
        classes: A name for each label.
        mean: Of each channel, for values from 0 to 1.
        batch_size: Examples a step over all devices.
        validation: Share of the training split that is held out by `split_seed`; with none the last step counts.
        train_size: Train on the first so many of the rest; None for all.
        on_gpu: Keep the set in the GPU's memory if it takes less than half of what is free.

    Raises:
        ValueError: If the data do not match what is declared.
    """

    def __init__(
        self,
        source: Source,
        root: str,
        image_shape: Sequence[int],
        num_classes: int,
        classes: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        augment: Augment,
        batch_size: int,
        validation: float,
        split_seed: int,
        seed: Seed,
        workers: Workers,
        train_size: int | None,
        on_gpu: bool,
    ) -> None:
        super().__init__(batch_size, seed, workers)
        check_batching(batch_size, train_size, validation, split_seed, may_hold_out_none=True)
        if len(classes) != num_classes:
            raise ValueError(f"data.classes names {len(classes)} classes and data.num_classes is {num_classes}")
        self.declare(image_shape, mean, std, augment)
        self.source, self.root, self.classes, self.on_gpu = source, Path(root), list(classes), on_gpu
        self.validation, self.split_seed, self.train_size = validation, split_seed, train_size

    def prepare_data(self) -> None:
        self.source.prepare(self.root)

    def setup(self, stage: str) -> None:
        if stage in ("fit", "validate") and self.train_set is None:
            images, labels = self._load("train")
            rest, held_out = hold_out(len(labels), self.validation, self.split_seed)
            self.train_set = Indexed(images, labels, rest[: self.train_size])
            self.val_set = Indexed(images, labels, held_out)
        if stage == "test" and self.test_set is None:
            self.test_set = Indexed(*self._load("test"))

    def _load(self, split: str) -> tuple[Tensor, Tensor]:
        """The arrays as tensors where the batches will be cut from them, after a look at what they hold."""
        images, labels = self.source.load(self.root, split)
        channels, height, width = self.image_shape
        if images.shape[1:] != (height, width, channels):
            raise ValueError(f"data.image_shape={list(self.image_shape)} and the images are {list(images.shape[1:])}")
        check_labels(torch.from_numpy(labels), len(self.classes), split)
        self.fingerprints[split] = fingerprint(labels, images)
        device = self._home(images.nbytes)
        return torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)

    def _home(self, size: int) -> torch.device:
        """Where a set of so many bytes is kept."""
        assert self.trainer is not None
        device = self.trainer.strategy.root_device
        if device.type == "cuda" and self.on_gpu and size < GPU_SHARE * torch.cuda.mem_get_info(device)[0]:
            return device
        return torch.device("cpu")
