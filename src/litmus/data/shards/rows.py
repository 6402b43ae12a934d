"""Rows of one data set or several as batches: read by their numbers, decoded on the way."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from litmus.data.shards.prepared import Part, Prepared
from litmus.data.shards.reader import LABEL, NUMBER, Reader, numbers_of

Batch = tuple[Tensor, Tensor]
Decode = Callable[[list[Any]], Tensor]  # of columns, one after the other, that were read


class Rows:
    """Columns of a part of each data set, the rows of the first before those of the second.

    Args:
        columns: Of each data set, what each column holds.
        capacities: Of each data set, the blocks to keep.
    """

    def __init__(
        self, parts: Sequence[tuple[Prepared, Part]], columns: Sequence[dict[str, str]], capacities: Sequence[int]
    ) -> None:
        self.readers: list[Reader] = [
            prepared.reader(part, names, capacity)
            for (prepared, part), names, capacity in zip(parts, columns, capacities, strict=True)
        ]
        self.starts = [part.start for _, part in parts]
        self.ends: list[int] = torch.tensor([part.rows for _, part in parts]).cumsum(0).tolist()

    def __len__(self) -> int:
        return self.ends[-1]

    def take(self, rows: Tensor) -> list[Any]:
        """A `pyarrow.Table` of each data set that has some of these rows, which are sorted."""
        found, before = [], 0
        for reader, start, end in zip(self.readers, self.starts, self.ends, strict=True):
            mine = rows[(rows >= before) & (rows < end)]
            if len(mine):
                found.append(reader.take(mine - before + start))
            before = end
        return found

    def place(self, row: Tensor) -> str:
        """Where a row stands, for people."""
        number = next(number for number, end in enumerate(self.ends) if int(row) < end)
        return self.readers[number].place(row - (self.ends[number - 1] if number else 0) + self.starts[number])


class Lengths:
    """How long rows are, by the one small column that says it."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __call__(self, rows: Tensor) -> Tensor:
        order = rows.argsort()
        found = torch.cat([numbers_of(table, table.column_names)[:, 0] for table in self.rows.take(rows[order])])
        return found[order.argsort()]


class Decoded(Dataset[Batch]):
    """Inputs and targets of rows.

    Args:
        rows: Their last column is the target.
        classes: Whether targets are labels [batch], or numbers [batch, 1].
    """

    def __init__(self, rows: Rows, decode: Decode, classes: bool) -> None:
        self.rows, self.decode, self.classes = rows, decode, classes

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Tensor) -> Batch:
        tables = self.rows.take(rows)
        targets = torch.cat([numbers_of(table, table.column_names[-1:]) for table in tables])
        try:
            inputs = self.decode(tables)
        except ValueError:
            self._name(rows)
            raise
        return inputs, targets[:, 0] if self.classes else targets

    def _name(self, rows: Tensor) -> None:
        """Says which row can't be decoded."""
        for row in torch.split(rows, 1):
            try:
                self.decode(self.rows.take(row))
            except ValueError as error:
                raise ValueError(f"{self.rows.place(row)}: {error}") from error


def wanted(prepared: Prepared, kind: str, classes: bool) -> dict[str, str]:
    """The columns of inputs of a kind, and the target."""
    manifest = prepared.manifest
    return {**dict.fromkeys(manifest.inputs, kind), str(manifest.target): LABEL if classes else NUMBER}
