"""Rows of shards by their numbers: blocks are read and decoded once, and a few are kept."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from litmus.data.shards.blocks import Blocks
from litmus.data.shards.manifest import Shard
from litmus.data.shards.store import Store

DAMAGE = "copy or prepare it again, or leave damaged shards out with data.damaged=skip"
LABEL, NUMBER, LENGTH, TEXT, BYTES = "label", "number", "length", "text", "bytes"  # what a column holds


class Reader:
    """Some columns of the rows of shards, which lie one after the other.

    Args:
        columns: What each of them holds; the others are not read.
        classes: Number of different labels.
        capacity: Blocks to keep in memory: those that were used last.
    """

    def __init__(
        self,
        store: Store,
        shards: Sequence[Shard],
        block_rows: int,
        columns: Mapping[str, str],
        classes: int,
        capacity: int,
    ) -> None:
        self.store, self.shards, self.columns, self.classes = store, list(shards), dict(columns), classes
        self.blocks = Blocks([shard.rows for shard in shards], block_rows)
        self.capacity = capacity
        self.kept: OrderedDict[int, Any] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"kept": OrderedDict()}  # a loader's worker reads for itself

    def take(self, rows: Tensor) -> Any:
        """The rows as a `pyarrow.Table` in the order given, best in that in which they are stored.

        Raises:
            ValueError: If a shard is damaged.
        """
        import pyarrow as pa

        blocks, places = self.blocks.places(rows)
        runs, counts = torch.unique_consecutive(blocks, return_counts=True)
        parts = [(int(block), part) for block, part in zip(runs, torch.split(places, counts.tolist()), strict=True)]
        found: list[Any] = [None] * len(parts)
        # What is kept goes first: what is read might take its place.
        for number in sorted(range(len(parts)), key=lambda number: parts[number][0] not in self.kept):
            block, part = parts[number]
            found[number] = self._block(block).take(pa.array(part.numpy()))
        return pa.concat_tables(found)

    def place(self, row: Tensor) -> str:
        """Where a row stands, for people."""
        shard, _ = self.blocks.shard(int(self.blocks.places(row)[0]))
        return f"{self.store.place(self.shards[shard])} row {int(row - self.blocks.row_starts[shard])}"

    def _block(self, block: int) -> Any:
        if block in self.kept:
            self.kept.move_to_end(block)
            return self.kept[block]
        table = self._read(block)
        self.kept[block] = table
        while len(self.kept) > self.capacity:
            self.kept.popitem(last=False)
        return table

    def _read(self, block: int) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        number, inside = self.blocks.shard(block)
        shard, expected = self.shards[number], int(self.blocks.spans(torch.tensor([block]))[1])
        place = self.store.place(shard)
        try:
            with (
                self.store.open(shard) as opened,
                pq.ParquetFile(opened, page_checksum_verification=True, pre_buffer=False) as file,
            ):
                table = file.read_row_group(inside, columns=list(self.columns), use_threads=False)
            missing = [name for name in self.columns if name not in table.column_names]
            if missing:
                raise ValueError(f"it has no column {missing[0]}")
            if len(table) != expected:
                raise ValueError(f"block {inside} has {len(table)} rows, and its manifest says {expected}")
            checked = {name: self._checked(table[name], kind, name) for name, kind in self.columns.items()}
        except (pa.ArrowException, OSError, ValueError, IndexError, OverflowError) as error:
            raise ValueError(f"{place} can't be used: {_sentence(error)}; {DAMAGE}") from error
        return pa.table(checked)

    def _checked(self, column: Any, kind: str, name: str) -> Any:
        """A column as it is used: whole, of its type, and within its limits."""
        import pyarrow as pa
        import pyarrow.compute as pc

        types = {
            TEXT: pa.string(), BYTES: pa.binary(), NUMBER: pa.float32(), LABEL: pa.int64(), LENGTH: pa.int64(),
        }  # fmt: skip
        column = column.cast(types[kind], safe=kind != NUMBER)
        if column.null_count:
            raise ValueError(f"{name} has a row without a value")
        if kind == NUMBER and not pc.all(pc.is_finite(column)).as_py():
            raise ValueError(f"{name} has a row whose value is not a finite number")
        if kind == LABEL:
            low, high = (pc.min_max(column)[bound].as_py() for bound in ("min", "max"))
            if low < 0 or high >= self.classes:
                raise ValueError(f"{name} has the label {low if low < 0 else high}, and there are {self.classes}")
        return column.combine_chunks()


def numbers_of(table: Any, names: Sequence[str]) -> Tensor:
    """Columns of numbers or labels as a tensor [rows, columns]."""
    return torch.stack([torch.from_numpy(table[name].to_numpy().copy()) for name in names], 1)


def _sentence(error: Exception) -> str:
    """The first line of what pyarrow says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
