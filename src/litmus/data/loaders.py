"""What the data modules share: sets that give whole batches by index, loaders for them, a cut for validation."""

import signal
from collections.abc import Sized
from typing import Any, cast

import torch
from pytorch_lightning import LightningDataModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from litmus.data.order import PlainBatches, ShuffledBatches, seed_of
from litmus.signals import SIGNALS


class Indexed(Dataset[tuple[Tensor, Tensor]]):
    """Inputs and targets in memory, read by a tensor of indices.

    Args:
        chosen: The examples that belong to this part of the arrays; None for all.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, chosen: Tensor | None = None) -> None:
        self.inputs, self.targets, self.chosen = inputs, targets, chosen

    def __len__(self) -> int:
        return len(self.targets if self.chosen is None else self.chosen)

    def __getitem__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        indices = indices if self.chosen is None else self.chosen[indices]
        indices = indices.to(self.inputs.device, non_blocking=True)
        return self.inputs[indices], self.targets[indices]


class InMemory(LightningDataModule):
    """Three sets that give whole batches by index, and their loaders; what sets them up is up to each kind of data.

    Args:
        batch_size: Examples a step over all devices.
        seed: Of the order of training.
        workers: Processes that read batches ahead.
    """

    train_set: Sized | None = None
    val_set: Sized | None = None
    test_set: Sized | None = None

    def __init__(self, batch_size: int, seed: int, workers: int) -> None:
        super().__init__()
        self.batch_size, self.seed, self.workers = batch_size, seed, workers
        self.fingerprints: dict[str, str] = {}

    def as_read(self, part: Any) -> Sized:
        """A set as its batches are read: as it is, or seen through a scale."""
        return cast(Sized, part)

    def train_dataloader(self) -> DataLoader[Any]:
        """In an order that follows the epochs."""
        assert self.train_set is not None and self.trainer is not None
        batches = ShuffledBatches(len(self.train_set), self.batch_size, self.seed, *ranks_of(self.trainer))
        return loader(self.as_read(self.train_set), batches, self.trainer, self.workers)

    def val_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        """None where nothing is held out."""
        return self._in_order(self.val_set) if self.val_set else []

    def test_dataloader(self) -> DataLoader[Any]:
        return self._in_order(self.test_set)

    def _in_order(self, part: Sized | None) -> DataLoader[Any]:
        assert part is not None and self.trainer is not None
        batches = PlainBatches(len(part), self.batch_size, *ranks_of(self.trainer))
        return loader(self.as_read(part), batches, self.trainer, self.workers)


def loader(part: Sized, batches: Sampler[Tensor], trainer: Trainer, workers: int) -> DataLoader[Any]:
    """Batches of a set, read by the tensors of indices that the sampler yields."""
    in_ram = not (isinstance(part, Indexed) and part.inputs.is_cuda)
    workers = workers if in_ram else 0
    return DataLoader(
        cast(Dataset[Any], part),
        batch_size=None,
        sampler=batches,
        collate_fn=as_is,
        pin_memory=trainer.strategy.root_device.type == "cuda" and in_ram,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=stay,
    )


def stay(worker: int) -> None:
    """Ctrl-C and Slurm signal all processes of a run, and its last step needs the workers: a second one ends them."""
    for signum in SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, lambda signum, _: signal.signal(signum, signal.SIG_DFL))


def as_is(batch: Any) -> Any:
    """The set gives whole batches: there is nothing to collate."""
    return batch


def ranks_of(trainer: Trainer) -> tuple[int, int]:
    """This process's rank, and how many there are."""
    return trainer.global_rank, trainer.world_size


def hold_out(size: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of the rest and of the part held out, shuffled by a seed of the split's own."""
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed_of(seed)))
    held_out = max(1, round(share * size)) if share else 0
    return order[held_out:], order[:held_out]


def check_batching(
    batch_size: int, train_size: int | None, validation: float | None, split_seed: int, may_hold_out_none: bool = False
) -> None:
    """Refuses values that no data module can follow.

    Raises:
        ValueError: With the key, the value and the limit.
    """
    if batch_size < 1:
        raise ValueError(f"data.batch_size={batch_size} is not at least 1")
    if train_size is not None and train_size < 1:
        raise ValueError(f"data.train_size={train_size} is not at least 1; null takes all")
    if validation is not None and not 0 < validation < 1 and not (may_hold_out_none and validation == 0):
        more = ", or 0 to hold out none" if may_hold_out_none else ""
        raise ValueError(f"data.validation={validation} is not a share between 0 and 1, such as 0.1{more}")
    if split_seed < 0:
        raise ValueError(f"data.split_seed={split_seed} is below 0: give 0 or more")


def check_labels(labels: Tensor, classes: int, split: str) -> None:
    """Refuses labels outside the declared classes, and an empty split.

    Raises:
        ValueError: With the first one that is wrong.
    """
    if len(labels) == 0:
        raise ValueError(f"the {split} split is empty")
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        bad = int(outside.int().argmax())
        raise ValueError(f"label {labels[bad]} of {split} example {bad} is outside the {classes} of data.classes")
