"""What a recipe leaves: shards of each split, and every record that was rejected, with its reason."""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from litmus.data.shards.writer import ShardWriter
from litmus.prepare.config import SPLITS, Prepare, in_sql, inputs
from litmus.prepare.engine import Engine, double, quoted
from litmus.prepare.read import LONGEST, PROVENANCE, REJECTS, fields

SAID = {  # of a dropped record, before the place of the other one
    "leak": "its text stands in an evaluation set: ",
    "conflict": "the same text has several labels, first at ",
    "duplicate": "the same as ",
    "near_duplicate": "nearly the same as ",
}
ROWS = 65536  # of a row group of rejects


def write_splits(engine: Engine, recipe: Prepare, folder: Path) -> dict[str, Any]:
    """Shards of about the same size, each a range of the hash that records are ordered by; returns the splits' entries
    in the manifest."""
    target = recipe.shards.megabytes * 1e6
    sizes = dict(engine.rows("SELECT split, sum(size) FROM accepted GROUP BY split"))
    counts = {split: max(1, round(float(sizes.get(split) or 0) / target)) for split in SPLITS}
    several = f"CASE a.split {' '.join(f'WHEN {quoted(split)} THEN {count}' for split, count in counts.items())} END"
    part = f"(CAST(a.place AS DOUBLE) / {double(2.0**64)} + {double(0.5)})"  # from 0 to below 1
    number = f"least(CAST(floor({part} * {several}) AS BIGINT), {several} - 1)"
    schema = pa.schema({**fields(recipe), **PROVENANCE})
    columns = ", ".join([*map(column_of(recipe), fields(recipe)), *(f"r.{name}" for name in PROVENANCE)])
    shards = engine.write(
        f"SELECT {columns}, a.split AS _by_split, {number} AS _by_shard, a.place AS _by_place, a.id AS _by_id "
        "FROM accepted a JOIN records r ON a.id = r.id",
        ["_by_split", "_by_shard"],
        ["_by_place", "_by_id"],
        partial(_write_shard, str(folder), schema, recipe.shards.block_rows),
    )
    splits: dict[str, Any] = {}
    for split in SPLITS:
        own = [shard for shard in shards if shard["file"].startswith(f"{split}/")]
        if own:
            content = hashlib.sha256("".join(shard["sha256"] for shard in own).encode()).hexdigest()[:16]
            splits[split] = {"rows": sum(shard["rows"] for shard in own), "fingerprint": content, "shards": own}
    return splits


def column_of(recipe: Prepare) -> Callable[[str], str]:
    """What a column of the result is called in a join of `accepted` a, which has what was looked up, and `records`."""
    joined = {name for name, column in recipe.columns.items() if column.table is not None}
    return lambda name: f"{'a' if name in joined else 'r'}.{in_sql(name)}"


def _write_shard(
    folder: str, schema: pa.Schema, block_rows: int, group: tuple[Any, ...], batches: Iterator[pa.RecordBatch]
) -> dict[str, Any]:
    split, number = group
    writer = ShardWriter(Path(folder), split, None, block_rows, schema, first=number)
    for batch in batches:
        writer.write(batch.rename_columns(schema.names))
    (shard,) = writer.close()
    return shard


def write_rejects(engine: Engine, recipe: Prepare, folder: Path) -> None:
    """One row for every rejected record, wherever it was rejected; afterwards there is the table `rejected`."""
    text = inputs(recipe)[0]
    has_text = recipe.columns[text].type in ("text", "category")
    shown = f"substr(r.{in_sql(text)}, 1, {LONGEST})" if has_text else "CAST(NULL AS STRING)"
    said = " ".join(f"WHEN {quoted(reason)} THEN {quoted(words)}" for reason, words in SAID.items())
    detail = f"concat(CASE d.reason {said} ELSE '' END, o._file, ':', CAST(o._row AS STRING))"
    engine.create(
        "rejected",
        f"SELECT {', '.join(f'r.{name}' for name in PROVENANCE)}, d.reason, CASE WHEN o.id IS NULL THEN CAST(NULL AS "
        f"STRING) ELSE {detail} END AS detail, {shown} AS record FROM dropped d JOIN records r ON d.id = r.id LEFT "
        "JOIN records o ON d.other = o.id UNION ALL SELECT _source, _file, _row, reason, detail, record FROM unread",
    )
    engine.write(
        f"SELECT {', '.join(REJECTS.names)}, reason AS _by_reason FROM rejected",
        ["_by_reason"],
        ["_source", "_file", "_row"],
        partial(_write_rejects, str(folder / "rejects")),
    )


def _write_rejects(folder: str, group: tuple[Any, ...], batches: Iterator[pa.RecordBatch]) -> dict[str, Any]:
    path = Path(folder, f"{group[0]}.parquet")
    path.parent.mkdir(exist_ok=True)
    with pq.ParquetWriter(path, REJECTS, compression="zstd") as file:
        for batch in batches:
            file.write_batch(batch.cast(REJECTS), row_group_size=ROWS)
    return {"file": path.name}


def statistics(engine: Engine, recipe: Prepare) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of the numeric columns over the training split."""
    found = {}
    for name in (name for name, column in recipe.columns.items() if column.type in ("number", "integer")):
        value = f"CAST({column_of(recipe)(name)} AS DOUBLE)"
        mean, std = engine.rows(
            f"SELECT avg({value}), stddev_pop({value}) FROM accepted a JOIN records r ON a.id = r.id "
            "WHERE a.split = 'train'"
        )[0]
        found[name] = {"mean": float(mean or 0), "std": float(std or 0)}
    return found
