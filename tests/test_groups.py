"""The rows of a query by group and in order, through files."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from litmus.prepare import groups
from litmus.prepare.engine import DuckDB
from litmus.prepare.groups import in_order, split


def rows(count: int) -> list[dict[str, Any]]:
    draw = random.Random(0)
    return [
        {"_by_split": draw.choice("ab"), "_by_place": draw.getrandbits(60), "text": draw.choice("xyzé") * 50, "id": i}
        for i in range(count)
    ]


@pytest.mark.parametrize("piece", [1, 10_000, 10**9])
def test_groups_come_sorted_whatever_the_size_of_a_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(groups, "PIECE", piece)
    monkeypatch.setattr(groups, "BATCH_ROWS", 100)
    given = rows(1000)
    batches = [pa.RecordBatch.from_pylist(given[start : start + 64]) for start in range(0, 1000, 64)]
    found = split(batches, ["_by_split"], tmp_path / "groups")
    assert [group.key for group in found] == [("a",), ("b",)]
    for group in found:
        batches = list(in_order(group, ["_by_place", "id"]))
        assert batches[0].schema.names == ["text", "id"] and len(batches) == -(-sum(map(len, batches)) // 100)
        expected = sorted((row for row in given if row["_by_split"] == group.key[0]), key=lambda row: row["_by_place"])
        assert [row for batch in batches for row in batch.to_pylist()] == [
            {"text": row["text"], "id": row["id"]} for row in expected
        ]


def sizes(key: tuple[Any, ...], batches: Iterator[pa.RecordBatch]) -> dict[str, Any]:
    texts = [text for batch in batches for text in batch.column("text").to_pylist()]
    return {"key": key, "rows": len(texts), "bytes": sum(map(len, texts)), "sorted": texts == sorted(texts)}


def test_rows_are_sorted_that_are_many_times_the_memory(tmp_path: Path) -> None:
    """DuckDB's own ORDER BY of these rows is out of memory."""
    engine = DuckDB(tmp_path / "engine", "80MB", 2)
    query = (
        "SELECT i % 5 AS _by_part, md5(i::VARCHAR) || repeat(md5((i + 1)::VARCHAR), 60) AS text FROM range(160000) t(i)"
    )
    found = engine.write(query, ["_by_part"], ["text"], sizes)
    engine.close()
    assert [item["key"] for item in found] == [(part,) for part in range(5)]
    assert all(item["rows"] == 32000 and item["sorted"] for item in found)
    assert sum(item["bytes"] for item in found) == 160000 * 32 * 61  # 312 MB


def test_nothing_is_no_group(tmp_path: Path) -> None:
    engine = DuckDB(tmp_path / "engine", "80MB", 1)
    assert engine.write("SELECT 1 AS _by_part, 'x' AS text WHERE 1 = 0", ["_by_part"], ["text"], sizes) == []
    engine.close()
