"""From files to a part: what could be read, what was rejected, and what near-duplicates are found by."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from litmus.prepare.config import Prepare, inputs
from litmus.prepare.near import bands
from litmus.prepare.reader import PieceReader
from litmus.prepare.schema import BANDS, REJECTS, named, part_schema, table_schema
from litmus.prepare.sources import Piece

ROWS = 65_536  # of a row group, at most


def read_piece(recipe: Prepare, piece: Piece, folder: Path) -> dict[str, Any]:
    """Writes records.parquet, rejects.parquet and, where they are asked for, bands.parquet; returns the counts."""
    reader = PieceReader(recipe, piece)
    near = recipe.near_duplicates if piece.group == "sources" and recipe.near_duplicates.threshold else None
    column = recipe.near_duplicates.column or inputs(recipe)[0]
    schema = part_schema(recipe) if piece.group == "sources" else table_schema(recipe, piece.source)
    with (
        pq.ParquetWriter(
            folder / "records.parquet", named(schema.empty_table()).schema, compression="zstd", compression_level=1
        ) as records,
        pq.ParquetWriter(folder / "rejects.parquet", REJECTS, compression="zstd") as rejects,
    ):
        banded = pq.ParquetWriter(folder / "bands.parquet", BANDS, compression="none") if near else None
        for good, bad in reader.batches():
            records.write_batch(named(pa.RecordBatch.from_pylist(good, schema)), row_group_size=ROWS)
            if bad:
                rejects.write_batch(pa.RecordBatch.from_pylist(bad, REJECTS))
            if banded is not None and near is not None:
                numbers = bands([record[column] or "" for record in good], near)
                positions = [record["_position"] for record in good for _ in range(near.bands)]
                flat = [number for text in numbers for number in text]
                arrays = [pa.array([piece.key] * len(flat)), pa.array(positions), pa.array(flat)]
                banded.write_batch(pa.RecordBatch.from_arrays(arrays, schema=BANDS))
        if banded is not None:
            banded.close()
    rejected = dict(sorted(reader.rejected.items()))
    return {"source": piece.source, "in": reader.seen, "out": reader.position, "rejected": rejected}
