"""Batches of rows that are read from shards: a function of (seed, epoch, step), the same on any number of ranks."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from litmus.data.order import Batches, check_shares, seed_of
from litmus.data.shards.blocks import Stream
from litmus.data.shards.mixture import Mixture

Lengths = Callable[[Tensor], Tensor]  # of rows


class ShardBatches(Batches):
    """Each training batch as a tensor of rows, those of the first set before those of the second; the last, smaller
    batch of an epoch is left out.

    An epoch has as many rows as all sets together. Of one set alone it is one pass; of several, each is a stream of
    passes that goes on from epoch to epoch. Within a batch the rows are in the order in which they are stored, so that
    a rank's part of it stands in few blocks.

    Args:
        weights: Of the streams; None goes by their sizes.
        batch_size: Rows a step over all ranks.
        lengths: Where rows differ in length: within `window` batches they are sorted by it, and cut into batches, which
            are then shuffled.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        weights: Sequence[float] | None,
        batch_size: int,
        seed: int,
        rank: int,
        ranks: int,
        window: int = 1,
        lengths: Lengths | None = None,
    ) -> None:
        sizes = [stream.rows for stream in streams]
        if batch_size > sum(sizes):
            raise ValueError(
                f"data.batch_size={batch_size} is larger than the training set, which has {sum(sizes)} examples"
            )
        check_shares(batch_size, ranks)
        self.streams, self.mixture, self.size = streams, Mixture(weights or list(map(float, sizes))), sum(sizes)
        self.offsets = [sum(sizes[:number]) for number in range(len(sizes))]
        self.batch_size, self.seed, self.rank, self.ranks = batch_size, seed, rank, ranks
        self.window, self.lengths = window if lengths else 1, lengths

    def __len__(self) -> int:
        return self.size // self.batch_size

    def draw(self, epoch: int) -> Callable[[int], Tensor]:
        part, here = self.batch_size // self.ranks, (-1, [torch.empty(0)])

        def batch(step: int) -> Tensor:
            nonlocal here
            number, place = divmod(step, self.window)
            if here[0] != number:
                here = number, self._window(epoch, number)
            return here[1][place][self.rank * part : (self.rank + 1) * part]

        return batch

    def _window(self, epoch: int, number: int) -> list[Tensor]:
        """The batches of a window, for all ranks."""
        first = number * self.window
        last = min(first + self.window, len(self))
        start, stop = (epoch * self.size + step * self.batch_size for step in (first, last))
        rows = self._rows(start, stop)
        if self.lengths is None:
            return [rows]
        batches = torch.split(rows[self.lengths(rows).argsort(stable=True)], self.batch_size)
        generator = torch.Generator().manual_seed(seed_of(self.seed, epoch, number))
        return [batches[chosen].sort().values for chosen in torch.randperm(len(batches), generator=generator).tolist()]

    def _rows(self, start: int, stop: int) -> Tensor:
        """The rows from one place of the mixture to another, sorted."""
        spans = zip(self.mixture.given(start), self.mixture.given(stop), strict=True)
        parts = [stream.take(*span) for stream, span in zip(self.streams, spans, strict=True)]
        return torch.cat([part + offset for part, offset in zip(parts, self.offsets, strict=True)]).sort().values


class RowsInOrder(Sequence[Tensor]):
    """Batches of all rows, each made as it is asked for; the last may be smaller.

    Args:
        lengths: Where rows differ in length: within `window` batches they go from the shortest to the longest.
    """

    def __init__(self, size: int, batch_size: int, window: int = 1, lengths: Lengths | None = None) -> None:
        self.size, self.batch_size, self.window, self.lengths = size, batch_size, window, lengths
        self._here: tuple[int, Sequence[Tensor]] = (-1, [])

    def __len__(self) -> int:
        return -(-self.size // self.batch_size)

    def __getitem__(self, number: int) -> Tensor:  # type: ignore[override]
        window, place = divmod(number, self.window)
        if self._here[0] != window:
            span = self.window * self.batch_size
            rows = torch.arange(window * span, min((window + 1) * span, self.size))
            order = rows if self.lengths is None else rows[self.lengths(rows).argsort(stable=True)]
            self._here = window, [batch.sort().values for batch in torch.split(order, self.batch_size)]
        return self._here[1][place]
