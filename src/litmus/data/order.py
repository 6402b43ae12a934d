"""The order of a data set: a pure function of (seed, epoch, step), shared out over ranks, and nothing else."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler


def seed_of(*key: int) -> int:
    """One well-mixed seed for a tuple of numbers, such as (seed, epoch, step, rank)."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)


def check_shares(batch_size: int, ranks: int) -> None:
    """Refuses a batch of which some rank would have more than another: its examples would count less.

    Raises:
        ValueError: With the nearest that can be shared.
    """
    if batch_size % ranks:
        less, more = batch_size // ranks * ranks, -(-batch_size // ranks) * ranks
        raise ValueError(
            f"data.batch_size={batch_size} can't be shared equally by {ranks} devices, which it is over all of: give "
            f"{f'{less} or {more}' if less else more}"
        )


class Batches(Sampler[Tensor]):
    """The batches of an epoch from some step on: a resumed run goes on with the first one that it has not seen."""

    epoch = first = 0

    def start_at(self, epoch: int, step: int) -> None:
        """Where the next iteration begins."""
        self.epoch, self.first = epoch, step

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before every epoch."""
        if epoch != self.epoch:
            self.start_at(epoch, 0)

    def draw(self, epoch: int) -> Callable[[int], Tensor]:
        """This rank's part of each batch of an epoch, by its number."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Tensor]:
        return map(self.draw(self.epoch), range(self.first, len(self)))


class ShuffledBatches(Batches):
    """Each training batch as a tensor of indices; the last, smaller batch is left out.

    All ranks draw the same order, so a batch holds the same examples on one device and on many.

    Args:
        size: Number of examples.
        batch_size: Examples a step over all ranks.
    """

    def __init__(self, size: int, batch_size: int, seed: int, rank: int, ranks: int) -> None:
        if batch_size > size:
            raise ValueError(f"data.batch_size={batch_size} is larger than the training set, which has {size} examples")
        check_shares(batch_size, ranks)
        self.size, self.batch_size, self.seed, self.rank, self.ranks = size, batch_size, seed, rank, ranks

    def __len__(self) -> int:
        return self.size // self.batch_size

    def draw(self, epoch: int) -> Callable[[int], Tensor]:
        order = torch.randperm(self.size, generator=torch.Generator().manual_seed(seed_of(self.seed, epoch)))
        part = self.batch_size // self.ranks

        def batch(step: int) -> Tensor:
            start = step * self.batch_size + self.rank * part
            return order[start : start + part]

        return batch


class BucketedBatches(ShuffledBatches):
    """The same for examples of different lengths: within windows of the shuffled order the examples are sorted by
    length and cut into batches, which are then shuffled, so that a batch needs little padding.

    Args:
        lengths: Of all examples.
        window: Batches in a window: 1 is plain shuffling.
    """

    def __init__(self, lengths: Tensor, batch_size: int, seed: int, rank: int, ranks: int, window: int) -> None:
        super().__init__(len(lengths), batch_size, seed, rank, ranks)
        if window < 1:
            raise ValueError(f"data.window={window} is not at least 1")
        self.lengths, self.window = lengths, window

    def draw(self, epoch: int) -> Callable[[int], Tensor]:
        generator = torch.Generator().manual_seed(seed_of(self.seed, epoch))
        order = torch.randperm(self.size, generator=generator)[: len(self) * self.batch_size]
        batches: list[Tensor] = []
        for part in torch.split(order, self.window * self.batch_size):
            batches += torch.split(part[self.lengths[part].argsort(stable=True)], self.batch_size)
        chosen = torch.randperm(len(batches), generator=generator).tolist()
        return lambda step: batches[chosen[step]][self.rank :: self.ranks]


class WholeBatches(Sampler[Tensor]):
    """Batches of a set in their order, whole ones to the ranks in turn: each is computed alike on any number of them.

    Every rank has as many, for ranks that wait for each other in each step would hang: one that has none left gets the
    last one again, and `counts` says that it is not its own.
    """

    def __init__(self, batches: Sequence[Tensor], rank: int, ranks: int) -> None:
        self.batches, self.rank, self.ranks = batches, rank, ranks

    def counts(self, number: int) -> bool:
        """Whether this rank's batch of this number is its own."""
        return number * self.ranks + self.rank < len(self.batches)

    def __len__(self) -> int:
        return -(-len(self.batches) // self.ranks)

    def __iter__(self) -> Iterator[Tensor]:
        last = len(self.batches) - 1
        return (self.batches[min(number * self.ranks + self.rank, last)] for number in range(len(self)))


class PlainBatches(WholeBatches):
    """Each example of a set exactly once over all ranks, in the order of the set.

    Args:
        lengths: Of all examples, if they differ: then from the shortest to the longest.
    """

    def __init__(self, size: int, batch_size: int, rank: int, ranks: int, lengths: Tensor | None = None) -> None:
        order = torch.arange(size) if lengths is None else lengths.argsort(stable=True)
        super().__init__(torch.split(order, batch_size), rank, ranks)
