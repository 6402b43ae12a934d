"""Rows into Parquet shards, in blocks that can be read by themselves: the same rows give the same bytes."""

import math
from pathlib import Path
from typing import Any

from litmus.data.download import digest


class ShardWriter:
    """Writes `folder`/`split`/00000.parquet and so on, as rows come.

    How they are sliced into batches leaves no trace, so that a second run gives the same checksums. No more is held
    than the rows of a block and the batch that came last.

    Args:
        target_bytes: Of what the rows of a shard take uncompressed; one is cut where it has them. None: never.
        block_rows: Rows of a row group, which is read as a whole; only the last one of a split has fewer.
        schema: Of every batch, a `pyarrow.Schema` of flat columns; their order may differ.
        first: Number of the first shard.
    """

    def __init__(
        self, folder: Path, split: str, target_bytes: int | None, block_rows: int, schema: Any, first: int = 0
    ) -> None:
        if block_rows < 1 or (target_bytes is not None and target_bytes < 1):
            raise ValueError(f"shards of {target_bytes} bytes in blocks of {block_rows} rows: give at least 1 of each")
        self.folder, self.split, self.block_rows, self.first = folder, split, block_rows, first
        self.target_bytes = math.inf if target_bytes is None else target_bytes
        self.schema = schema.remove_metadata()
        self.shards: list[dict[str, Any]] = []
        self._waiting: list[Any] = []  # tables, less than a block in all
        self._file: Any = None
        self._path = folder
        self._rows = self._bytes = 0  # of the shard that is open

    def write(self, batch: Any) -> None:
        """Takes a `pyarrow.RecordBatch` or `pyarrow.Table`."""
        import pyarrow as pa

        table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
        self._waiting.append(table.select(self.schema.names).replace_schema_metadata().cast(self.schema))
        if sum(map(len, self._waiting)) < self.block_rows:
            return
        rows = pa.concat_tables(self._waiting)
        whole = len(rows) // self.block_rows * self.block_rows
        for start in range(0, whole, self.block_rows):
            self._write_block(rows.slice(start, self.block_rows))
        rest = rows.slice(whole)
        # Copied, or it would keep the whole of the batch in memory.
        self._waiting = [rest.take(pa.array(range(len(rest)), pa.int64()))] if len(rest) else []

    def close(self) -> list[dict[str, Any]]:
        """The manifest's entries of the shards, once all have been written."""
        import pyarrow as pa

        if self._waiting:
            self._write_block(pa.concat_tables(self._waiting))
            self._waiting = []
        self._finish()
        return self.shards

    def _write_block(self, block: Any) -> None:
        if self._file is None:
            self._open()
        block = block.combine_chunks()
        self._file.write_table(block, row_group_size=self.block_rows)
        self._rows += len(block)
        self._bytes += size_of(block)
        if self._bytes >= self.target_bytes:
            self._finish()

    def _open(self) -> None:
        import pyarrow.parquet as pq

        self._path = self.folder / self.split / f"{self.first + len(self.shards):05}.parquet"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = pq.ParquetWriter(
            self._path,
            self.schema,
            compression="zstd",
            write_page_checksum=True,
            write_statistics=False,  # they would put whole texts into the footer
            use_dictionary=[name for name in self.schema.names if name.startswith("_")],  # where rows come from
            store_schema=True,
        )

    def _finish(self) -> None:
        if self._file is None:
            return
        self._file.close()
        self.shards.append(
            {
                "file": f"{self.split}/{self._path.name}",
                "rows": self._rows,
                "bytes": self._path.stat().st_size,
                "sha256": digest(self._path, "sha256"),
            }
        )
        self._file, self._rows, self._bytes = None, 0, 0


def size_of(table: Any) -> int:
    """Bytes of the values; unlike `nbytes`, it does not depend on what the table was sliced from."""
    import pyarrow as pa
    import pyarrow.compute as pc

    total = 0
    for column in table.columns:
        kind = column.type
        if pa.types.is_binary(kind) or pa.types.is_string(kind):
            total += 4 * len(column) + (pc.sum(pc.binary_length(column)).as_py() or 0)
        else:
            total += -(-kind.bit_width * len(column) // 8)
    return total
