"""Where the windows of a long run of tokens stand: samplers that yield [start, stop] of each row of a batch."""

from collections.abc import Callable

import torch
from torch import Tensor

from litmus.data.order import Batches, WholeBatches, check_shares, seed_of


class RandomWindows(Batches):
    """Windows that start anywhere, a function of (seed, epoch, step); all ranks draw the same and take their part.

    Args:
        size: Number of tokens.
        steps: Batches of an epoch.
    """

    def __init__(self, size: int, context: int, batch_size: int, steps: int, seed: int, rank: int, ranks: int) -> None:
        check_windows(size, context, batch_size, ranks)
        self.size, self.context, self.batch_size, self.steps = size, context, batch_size, steps
        self.seed, self.rank, self.ranks = seed, rank, ranks

    def __len__(self) -> int:
        return self.steps

    def draw(self, epoch: int) -> Callable[[int], Tensor]:
        def batch(step: int) -> Tensor:
            generator = torch.Generator().manual_seed(seed_of(self.seed, epoch, step))
            starts = torch.randint(self.size - self.context, (self.batch_size,), generator=generator)
            starts = starts[self.rank :: self.ranks]
            return torch.stack([starts, starts + self.context], 1)

        return batch


class PlainWindows(WholeBatches):
    """Window after window, each target exactly once over all ranks; the last window may be shorter."""

    def __init__(self, size: int, context: int, batch_size: int, rank: int, ranks: int) -> None:
        starts = torch.arange(0, size - 1, context)
        stops = (starts + context).clamp(max=size - 1)
        super().__init__(torch.split(torch.stack([starts, stops], 1), batch_size), rank, ranks)


class Streams(Batches):
    """The run cut into one stream a row of the batch; each batch goes on where the last one ended (Zaremba 2014)."""

    def __init__(self, size: int, context: int, batch_size: int, rank: int, ranks: int) -> None:
        check_windows(size, context, batch_size, ranks)
        self.size, self.context = size, context
        self.length = -((1 - size) // batch_size)  # of a stream, rounded up
        self.begins = torch.arange(batch_size).chunk(ranks)[rank] * self.length

    def __len__(self) -> int:
        return -(-self.length // self.context)

    def draw(self, epoch: int) -> Callable[[int], Tensor]:
        ends = (self.begins + self.length).clamp(max=self.size - 1)

        def batch(step: int) -> Tensor:
            starts = torch.minimum(self.begins + step * self.context, ends)
            return torch.stack([starts, torch.minimum(starts + self.context, ends)], 1)

        return batch


class WholeStreams(Streams):
    """All streams on every rank, for each batch to be computed alike on any number of devices; it counts on one."""

    def __init__(self, size: int, context: int, batch_size: int, rank: int, ranks: int) -> None:
        super().__init__(size, context, batch_size, 0, 1)
        self.rank, self.ranks = rank, ranks

    def counts(self, number: int) -> bool:
        """Whether this rank is the one."""
        return number % self.ranks == self.rank


def check_windows(size: int, context: int, batch_size: int, ranks: int) -> None:
    """Refuses a corpus that has no window, and batches that can't be shared.

    Raises:
        ValueError: With the values.
    """
    if size <= context:
        raise ValueError(f"data.context={context} is too long for a corpus of {size} tokens")
    check_shares(batch_size, ranks)
