"""The rows of a query by group, each group sorted: through files, in memory that does not grow with their number. A
sort of whole rows by DuckDB does not do with less than a third of them in memory."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

GroupWriter = Callable[[tuple[Any, ...], Iterator[pa.RecordBatch]], dict[str, Any]]
BATCH_ROWS = 4096
PIECE = 1 << 18  # bytes of a group that are written at once


@dataclass(frozen=True)
class Group:
    """One of them, in a file of its own."""

    key: tuple[Any, ...]
    path: Path


def split(batches: Iterable[pa.RecordBatch], by: Sequence[str], folder: Path) -> list[Group]:
    """Puts the rows of each group into a file, and returns the groups in order."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[tuple[Any, ...], _File] = {}
    try:
        for batch in batches:
            places: dict[tuple[Any, ...], list[int]] = defaultdict(list)
            for place, key in enumerate(zip(*(batch.column(name).to_pylist() for name in by), strict=True)):
                places[key].append(place)
            for key, chosen in places.items():
                if key not in files:
                    files[key] = _File(folder / f"{len(files)}.arrow", batch.schema)
                files[key].add(batch.take(pa.array(chosen)))
    finally:
        for file in files.values():
            file.close()
    return [Group(key, files[key].path) for key in sorted(files)]


class _File:
    """Rows that are collected until there are enough of them for a write."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.waiting, self.size = path, list[pa.RecordBatch](), 0
        self.writer = pa.ipc.new_file(path, schema)

    def add(self, rows: pa.RecordBatch) -> None:
        self.waiting.append(rows)
        self.size += rows.nbytes
        if self.size >= PIECE:
            self._write()

    def close(self) -> None:
        self._write()
        self.writer.close()

    def _write(self) -> None:
        if self.waiting:
            self.writer.write_table(pa.Table.from_batches(self.waiting).combine_chunks())
            self.waiting, self.size = [], 0


def in_order(group: Group, order: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of a group, sorted, without the columns that only sort; its file is mapped, and not read into memory."""
    with pa.memory_map(str(group.path)) as source:
        file = pa.ipc.open_file(source)
        pieces = [file.get_batch(number) for number in range(file.num_record_batches)]
        keys = pa.Table.from_batches([piece.select(list(order)) for piece in pieces])
        index = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in order]).to_numpy()
        ends = np.cumsum([len(piece) for piece in pieces])
        kept = [piece.select([name for name in piece.schema.names if not name.startswith("_by_")]) for piece in pieces]
        for start in range(0, len(index), BATCH_ROWS):
            yield _gathered(kept, ends, index[start : start + BATCH_ROWS].astype(np.int64))


def _gathered(pieces: Sequence[pa.RecordBatch], ends: NDArray[np.int64], index: NDArray[np.int64]) -> pa.RecordBatch:
    """Rows by their places in all pieces together."""
    piece_of = np.searchsorted(ends, index, side="right")
    by_piece = np.argsort(piece_of, kind="stable")
    parts = []
    for number in np.unique(piece_of):
        start = ends[number] - len(pieces[number])
        parts.append(pieces[number].take(pa.array(index[by_piece][piece_of[by_piece] == number] - start)))
    back = np.empty_like(by_piece)
    back[by_piece] = np.arange(len(by_piece))
    (batch,) = pa.Table.from_batches(parts).combine_chunks().take(pa.array(back)).combine_chunks().to_batches()
    return batch


def each_group(
    batches: Iterable[pa.RecordBatch], groups: Sequence[str], writer: GroupWriter
) -> Iterator[dict[str, Any]]:
    """Calls a writer with the rows of each group, of batches that are sorted by groups."""
    pieces = _pieces(batches, groups)
    ahead = next(pieces, None)

    def rest(group: tuple[Any, ...]) -> Iterator[pa.RecordBatch]:
        nonlocal ahead
        while ahead is not None and ahead[0] == group:
            yield ahead[1]
            ahead = next(pieces, None)

    while ahead is not None:
        group = ahead[0]
        yield writer(group, rest(group))


def _pieces(
    batches: Iterable[pa.RecordBatch], groups: Sequence[str]
) -> Iterator[tuple[tuple[Any, ...], pa.RecordBatch]]:
    """Parts of batches that belong to one group, without the columns that only sort."""
    for batch in batches:
        kept = batch.select([name for name in batch.schema.names if not name.startswith("_by_")])
        start = 0
        while start < len(batch):
            group = tuple(batch.column(name)[start].as_py() for name in groups)
            same = None
            for name, value in zip(groups, group, strict=True):
                equal = pc.equal(batch.column(name)[start:], value)
                same = equal if same is None else pc.and_(same, equal)
            first_other = pc.index(same, False).as_py()
            end = len(batch) if first_other < 0 else start + first_other
            yield group, kept.slice(start, end - start)
            start = end
