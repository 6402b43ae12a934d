"""What a recipe leaves: shards of each split, and every record that was rejected, with its reason."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa

from litmus.data.shards.writer import ShardWriter
from litmus.prepare.config import NUMERIC, SPLITS, Prepare, in_sql, inputs
from litmus.prepare.engine import Engine, double, quoted
from litmus.prepare.moments import all_of, moments_of
from litmus.prepare.schema import LONGEST, PROVENANCE, REJECTS, fields

SAID = {  # of a dropped record, before the place of the other one
    "leak": "its text stands in an evaluation set: ",
    "conflict": "the same text has several labels, first at ",
    "duplicate": "the same as ",
    "near_duplicate": "nearly the same as ",
}
ROWS = 4096  # of a row group of rejects, which may have 10,000 characters each


def write_splits(engine: Engine, recipe: Prepare, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Shards of about the same size, each a range of the hash that records are ordered by; returns the splits' entries
    in the manifest, and the mean and the standard deviation of each numeric column over the training split."""
    target = recipe.shards.megabytes * 1e6
    sizes = dict(engine.rows("SELECT split, sum(size) FROM accepted GROUP BY split"))
    counts = {split: max(1, round(float(sizes.get(split) or 0) / target)) for split in SPLITS}
    several = f"CASE a.split {' '.join(f'WHEN {quoted(split)} THEN {count}' for split, count in counts.items())} END"
    part = f"(CAST(a.place AS DOUBLE) / {double(2.0**64)} + {double(0.5)})"  # from 0 to below 1
    number = f"least(CAST(floor({part} * {several}) AS BIGINT), {several} - 1)"
    columns = ", ".join([*map(column_of(recipe), fields(recipe)), *(f"r.{name}" for name in PROVENANCE)])
    shards = engine.write(
        f"SELECT {columns}, a.split AS _by_split, {number} AS _by_shard, a.place AS _by_place, a.id AS _by_id "
        "FROM accepted a JOIN records r ON a.id = r.id",
        ["_by_split", "_by_shard"],
        ["_by_place", "_by_id"],
        partial(_write_shard, str(folder), recipe),
    )
    found = [(shard["file"], shard.pop("moments")) for shard in shards]
    statistics = {}
    for name in numbers(recipe):
        of_train = all_of(moments[name] for file, moments in found if file.startswith("train/"))
        statistics[name] = {"mean": of_train.mean, "std": of_train.std}
    splits: dict[str, Any] = {}
    for split in SPLITS:
        own = [shard for shard in shards if shard["file"].startswith(f"{split}/")]
        if own:
            content = hashlib.sha256("".join(shard["sha256"] for shard in own).encode()).hexdigest()[:16]
            splits[split] = {"rows": sum(shard["rows"] for shard in own), "fingerprint": content, "shards": own}
    return splits, statistics


def numbers(recipe: Prepare) -> list[str]:
    """Names of the numeric columns."""
    return [name for name, column in recipe.columns.items() if column.type in NUMERIC]


def column_of(recipe: Prepare) -> Callable[[str], str]:
    """What a column of the result is called in a join of `accepted` a, which has what was looked up, and `records`."""
    joined = {name for name, column in recipe.columns.items() if column.table is not None}
    return lambda name: f"{'a' if name in joined else 'r'}.{in_sql(name)}"


def _write_shard(
    folder: str, recipe: Prepare, group: tuple[Any, ...], batches: Iterator[pa.RecordBatch]
) -> dict[str, Any]:
    split, number = group
    name = f"{split}/{number:05}.parquet"
    schema = pa.schema({**fields(recipe), **PROVENANCE})
    shard = write_whole(Path(folder, name), schema, recipe.shards.block_rows, batches)
    return {**shard, "file": name, "moments": moments_of(Path(folder, name), numbers(recipe))}


def write_whole(path: Path, schema: pa.Schema, block_rows: int, batches: Iterator[pa.RecordBatch]) -> dict[str, Any]:
    """A file that gets its name when it is whole: a cluster may try a task twice, also at once."""
    own = path.parent.parent / f".{uuid4().hex}"
    writer = ShardWriter(own, "one", None, block_rows, schema)
    for batch in batches:
        writer.write(batch.rename_columns(schema.names))
    (shard,) = writer.close()
    path.parent.mkdir(exist_ok=True)
    (own / shard["file"]).rename(path)
    shutil.rmtree(own)
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
    return write_whole(Path(folder, f"{group[0]}.parquet"), REJECTS, ROWS, batches)
