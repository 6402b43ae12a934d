"""The order of rows that are read in blocks: from the numbers of rows alone, in memory that does not grow with them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from litmus.data.order import seed_of


class Blocks:
    """What is where in shards one after the other, each cut into blocks, of which its last may have fewer rows.

    Args:
        rows: Of each shard.
        block_rows: Rows of a block.
    """

    def __init__(self, rows: Sequence[int], block_rows: int) -> None:
        sizes = torch.tensor(rows, dtype=torch.int64)
        counts = (sizes + block_rows - 1) // block_rows
        self.block_rows = block_rows
        self.row_ends, self.block_ends = sizes.cumsum(0), counts.cumsum(0)
        self.row_starts, self.block_starts = self.row_ends - sizes, self.block_ends - counts

    def __len__(self) -> int:
        return int(self.block_ends[-1])

    def rows_before(self, block: int) -> int:
        """Rows of all blocks before one; `len(self)` is behind the last."""
        return int(self.row_ends[-1]) if block == len(self) else int(self.spans(torch.tensor([block]))[0])

    def spans(self, blocks: Tensor) -> tuple[Tensor, Tensor]:
        """The first row of each block, and how many it has."""
        shards = torch.searchsorted(self.block_ends, blocks, right=True)
        starts = self.row_starts[shards] + (blocks - self.block_starts[shards]) * self.block_rows
        return starts, (self.row_ends[shards] - starts).clamp(max=self.block_rows)

    def places(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The block of each row, and the row's place in it."""
        shards = torch.searchsorted(self.row_ends, rows, right=True)
        inside = rows - self.row_starts[shards]
        return self.block_starts[shards] + inside // self.block_rows, inside % self.block_rows

    def shard(self, block: int) -> tuple[int, int]:
        """The shard of a block, and its number there."""
        shard = int(torch.searchsorted(self.block_ends, block, right=True))
        return shard, block - int(self.block_starts[shard])


class Stream:
    """The rows of some blocks in pass after pass without an end, each pass in another order.

    A pass shuffles the blocks; some that follow one another in this order are a window, whose rows are shuffled. Every
    place of the stream can be had at once, so a run goes on anywhere.

    Args:
        count: The first so many blocks.
        buffer: Blocks of a window.
        key: Numbers that the order is a function of.
    """

    def __init__(self, blocks: Blocks, count: int, buffer: int, key: tuple[int, ...]) -> None:
        self.blocks, self.count, self.buffer, self.key = blocks, count, min(buffer, count), key
        self.rows = blocks.rows_before(count)
        self._pass: tuple[int, Tensor, Tensor] = (-1, torch.empty(0), torch.empty(0))  # the last one used, and its
        self._window: tuple[tuple[int, int], Tensor] = ((-1, -1), torch.empty(0))  # last window

    def take(self, start: int, stop: int) -> Tensor:
        """The rows from one place of the stream to another."""
        parts = [torch.empty(0, dtype=torch.int64)]
        while start < stop:
            number, place = divmod(start, self.rows)
            _, ends = self._order(number)
            window = int(torch.searchsorted(ends, place, right=True))
            before = int(ends[window - 1]) if window else 0
            parts.append(self._rows(number, window)[place - before : place - before + stop - start])
            start += len(parts[-1])
        return torch.cat(parts)

    def reach(self, rows: int) -> int:
        """The most blocks that so many rows in a row may stand in."""
        windows = -(-rows // (self.buffer * self.blocks.block_rows)) + 1
        return min(windows * self.buffer, self.count)

    def _order(self, number: int) -> tuple[Tensor, Tensor]:
        """The blocks of a pass in their order, and where its windows end."""
        if self._pass[0] != number:
            generator = torch.Generator().manual_seed(seed_of(*self.key, number))
            order = torch.randperm(self.count, generator=generator)
            ends = self.blocks.spans(order)[1].cumsum(0)
            last = torch.arange(self.buffer - 1, self.count + self.buffer - 1, self.buffer).clamp(max=self.count - 1)
            self._pass = number, order, ends[last].clone()
        return self._pass[1:]

    def _rows(self, number: int, window: int) -> Tensor:
        """The rows of a window of a pass in their order."""
        if self._window[0] != (number, window):
            order, _ = self._order(number)
            starts, sizes = self.blocks.spans(order[window * self.buffer : (window + 1) * self.buffer])
            rows = torch.arange(int(sizes.sum())) + (starts - sizes.cumsum(0) + sizes).repeat_interleave(sizes)
            # From 1, as a key that ends in 0 is the same without it.
            generator = torch.Generator().manual_seed(seed_of(*self.key, number, window + 1))
            self._window = (number, window), rows[torch.randperm(len(rows), generator=generator)]
        return self._window[1]
