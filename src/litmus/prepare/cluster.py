"""Texts that say nearly the same: candidates by their bands, those that are alike indeed, and what hangs together."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from litmus.prepare.config import NearDuplicates, Prepare, in_sql, inputs
from litmus.prepare.engine import Engine
from litmus.prepare.near import likeness

PAIRS_AT_ONCE = 20_000  # of texts that are fetched to be compared, some 50 MB of reviews
EDGES = pa.schema({"other": pa.int64(), "id": pa.int64()})
PAIRS = pa.schema({"other": pa.int64(), "id": pa.int64(), "a": pa.string(), "b": pa.string()})


def clusters(engine: Engine, recipe: Prepare, left: str, folder: Path) -> None:
    """Makes the table `clusters` (id, root) of the records in `left` that are nearly the same as another one."""
    engine.create("banded", f"SELECT k.id, b.band FROM bands b JOIN {left} k ON b.id = k.id")
    engine.create("buckets", "SELECT band, min(id) AS first FROM banded GROUP BY band HAVING count(*) > 1")
    engine.create(
        "candidates",  # of each bucket the pairs with its first record, and with the one before
        "SELECT DISTINCT other, id FROM (SELECT s.first AS other, b.id FROM banded b JOIN buckets s ON b.band = "
        "s.band UNION ALL SELECT lag(b.id) OVER (PARTITION BY b.band ORDER BY b.id) AS other, b.id FROM banded b "
        "JOIN buckets s ON b.band = s.band) x WHERE other IS NOT NULL AND other <> id",
    )
    alike = _verify(engine, recipe, folder)
    if alike:
        engine.read("edges", alike)
    else:
        engine.create("edges", "SELECT other, id FROM candidates WHERE 1 = 0")
    _connect(engine)


def near_leaks(left: str) -> str:
    """Of each cluster with a record for evaluation, all others."""
    return _of_clusters(left, first=1, then="k.held = 0")


def near_duplicates(left: str) -> str:
    """Of each cluster, all but the first."""
    return _of_clusters(left, first=0, then="k.held = 0 AND k.id <> f.other")


def _of_clusters(left: str, first: int, then: str) -> str:
    return (
        f"SELECT k.id, f.other FROM {left} k JOIN clusters c ON k.id = c.id JOIN (SELECT c.root, min(k.id) AS other "
        f"FROM clusters c JOIN {left} k ON k.id = c.id WHERE k.held = {first} GROUP BY c.root) f ON c.root = f.root "
        f"WHERE {then}"
    )


def _verify(engine: Engine, recipe: Prepare, folder: Path) -> list[Path]:
    """Files of the candidates that are as alike as asked for, by all of their shingles."""
    column = in_sql(recipe.near_duplicates.column or inputs(recipe)[0])
    engine.create(
        "compared",
        f"SELECT r.id, r.{column} AS text FROM records r JOIN (SELECT id FROM candidates UNION SELECT other AS id FROM "
        "candidates) c ON r.id = c.id",
    )
    ((count,),) = engine.rows("SELECT count(*) FROM candidates")
    parts = -(-count // PAIRS_AT_ONCE)
    tasks: list[Path] = []
    for part in range(parts):  # all of them at once, with both texts of each, would not fit into memory
        pairs = engine.write(
            f"SELECT c.other, c.id, a.text AS a, b.text AS b, {part} AS _by_part FROM (SELECT * FROM candidates "
            f"WHERE id % {parts} = {part}) c JOIN compared a ON c.other = a.id JOIN compared b ON c.id = b.id",
            ["_by_part"],
            ["id", "other"],
            partial(_write_pairs, str(folder)),
        )
        tasks += [Path(item["path"]) for item in pairs]
    return sorted(engine.map(partial(keep_alike, recipe.near_duplicates), tasks))


def _write_pairs(folder: str, group: tuple[Any, ...], batches: Iterator[pa.RecordBatch]) -> dict[str, Any]:
    path = Path(folder, f"pairs-{group[0]}.parquet")
    with pq.ParquetWriter(path, PAIRS) as file:
        for batch in batches:
            file.write_batch(batch)
    return {"path": str(path)}


def keep_alike(near: NearDuplicates, path: Path) -> Path:
    """Of a file of pairs with their texts, a file of those that are as alike as asked for."""
    alike = path.with_name(f"alike-{path.name}")
    with pq.ParquetFile(path) as pairs, pq.ParquetWriter(alike, EDGES) as file:
        for batch in pairs.iter_batches():
            a, b = batch.column("a").to_pylist(), batch.column("b").to_pylist()
            enough = [likeness(*texts, near) >= (near.threshold or 0) for texts in zip(a, b, strict=True)]
            file.write_batch(batch.select(["other", "id"]).filter(pa.array(enough, pa.bool_())))
    return alike


def _connect(engine: Engine) -> None:
    """Gives each record that has an edge the smallest id that can be reached from it: in every turn it takes the
    smallest root of its neighbours, and its root's root."""
    engine.create("links", "SELECT id AS a, other AS b FROM edges UNION ALL SELECT other AS a, id AS b FROM edges")
    engine.create("roots_0", "SELECT a AS id, least(a, min(b)) AS root FROM links GROUP BY a")
    turn = 0
    while True:
        engine.create(
            f"roots_{turn + 1}",
            f"SELECT r.id, least(min(r.root), min(n.root), min(j.root)) AS root FROM roots_{turn} r JOIN links e ON "
            f"e.a = r.id JOIN roots_{turn} n ON n.id = e.b JOIN roots_{turn} j ON j.id = r.root GROUP BY r.id",
        )
        changed = engine.rows(
            f"SELECT count(*) FROM roots_{turn} a JOIN roots_{turn + 1} b ON a.id = b.id WHERE a.root <> b.root"
        )
        turn += 1
        if not changed[0][0]:
            break
    engine.create("clusters", f"SELECT id, root FROM roots_{turn}")
