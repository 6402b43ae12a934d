"""What stands on the disk: the same rows give the same shards, and a manifest is read, or refused in a sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litmus.data.shards.manifest import read_manifest, shard_fact
from litmus.data.shards.writer import ShardWriter

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ROWS = 1000


def rows() -> Any:
    texts = [None if row % 97 == 0 else "x" * (row % 50) + str(row) for row in range(ROWS)]
    return pa.table(
        {
            "text": texts,
            "text_length": pa.array((len(text or "") for text in texts), pa.int32()),
            "bytes": [str(row).encode() for row in range(ROWS)],
            "ok": [row % 3 == 0 for row in range(ROWS)],
            "_file": [f"file {row // 100}" for row in range(ROWS)],
        }
    )


def written(folder: Path, parts: list[Any], schema: Any) -> list[dict[str, Any]]:
    writer = ShardWriter(folder, "train", 10_000, 64, schema)
    for part in parts:
        writer.write(part)
    return writer.close()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=12))
def test_how_rows_are_sliced_leaves_no_trace(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    table = rows()
    parts, start = [], 0
    for size in sizes:
        parts.append(table.slice(start, size))
        start = min(start + size, ROWS)
    folder = tmp_path_factory.mktemp("shards")
    batches = table.to_batches(max_chunksize=7)
    assert written(folder, [*parts, table.slice(start)], table.schema) == written(folder, batches, table.schema)


def test_a_shard_is_cut_between_blocks_when_it_has_its_bytes(tmp_path: Path) -> None:
    table = rows()
    shards = written(tmp_path, [table], table.schema)
    assert len(shards) > 3 and sum(shard["rows"] for shard in shards) == ROWS
    for number, shard in enumerate(shards):
        path = tmp_path / shard["file"]
        metadata = pq.read_metadata(path)
        sizes = [metadata.row_group(block).num_rows for block in range(metadata.num_row_groups)]
        assert set(sizes[:-1]) <= {64} and (sizes[-1] == 64 or number == len(shards) - 1)
        assert shard["file"] == f"train/{number:05}.parquet" and shard["bytes"] == path.stat().st_size
    again = pa.concat_tables(pq.read_table(tmp_path / shard["file"]) for shard in shards)
    assert again.equals(table)


def test_no_rows_are_no_shards(tmp_path: Path) -> None:
    assert written(tmp_path, [], rows().schema) == [] and list(tmp_path.iterdir()) == []


GOOD: dict[str, Any] = {
    "format": 1,
    "name": "reviews",
    "fingerprint": "0" * 16,
    "kind": "text",
    "inputs": ["text"],
    "target": "label",
    "classes": ["no", "yes"],
    "image_shape": None,
    "block_rows": 64,
    "statistics": {},
    "splits": {
        "train": {
            "rows": 9,
            "fingerprint": "0" * 16,
            "shards": [{"file": "train/00000.parquet", "rows": 9, "bytes": 1, "sha256": "0" * 64}],
        },
        "validation": {"rows": 0, "fingerprint": "0" * 16, "shards": []},
    },
}


def manifest(folder: Path, content: Any) -> Path:
    (folder / "manifest.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_facts_are_read_off_the_manifest(tmp_path: Path) -> None:
    path = str(manifest(tmp_path, GOOD))
    assert shard_fact("classes", path) == ["no", "yes"] and shard_fact("stem", path) == "text"
    assert shard_fact("columns", path) is None and shard_fact("targets", [path, path]) is None
    assert list(read_manifest(path).splits) == ["train"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("", r"manifest.json is not JSON, prepare the data again"),
        ("[" * 100_000, r"manifest.json is not JSON"),
        ("[]", r"manifest.json holds \[\] where an object should be"),
        ({"format": 2}, r"is of format 2, and this version reads 1"),
        ({"kind": "sound"}, r"kind is 'sound', not text or image or table"),
        ({"inputs": ["a", "b"]}, r"inputs are \['a', 'b'\], and data of texts have one"),
        ({"inputs": "text"}, r"inputs is 'text', not a list of columns"),
        ({"classes": ["no", "no"]}, r"classes is \['no', 'no'\], not a list of names"),
        ({"target": "text"}, r"target is 'text', which does not fit"),
        ({"name": "\ud800"}, r"name is '\\ud800', not a name"),
        ({"kind": "image", "image_shape": [2, 8, 8]}, r"image_shape is \[2, 8, 8\], not \[1 or 3, height, width\]"),
        ({"block_rows": True}, r"block_rows is True, not a number of rows"),
        ({"statistics": {"a": {"mean": float("nan"), "std": 1}}}, r"statistics.'a': mean is nan, not a number"),
        ({"splits": {}}, r"has no training shards"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(tmp_path: Path, change: Any, sentence: str) -> None:
    path = manifest(tmp_path, change if isinstance(change, str) else GOOD | change)
    with pytest.raises(ValueError, match=sentence):
        read_manifest(str(path))


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("file", "../elsewhere.parquet", "not a path inside of the folder"),
        ("file", "/elsewhere.parquet", "not a path inside of the folder"),
        ("file", "memory://elsewhere", "not a path inside of the folder"),
        ("rows", 8, "has 9 rows, and its shards have 8"),
        ("rows", 10**400, "not a number of rows"),
        ("sha256", "0", "not 64 hexadecimal digits"),
    ],
)
def test_a_shard_that_makes_no_sense_is_refused(tmp_path: Path, key: str, value: Any, sentence: str) -> None:
    content = json.loads(json.dumps(GOOD))
    content["splits"]["train"]["shards"][0][key] = value
    with pytest.raises(ValueError, match=sentence):
        read_manifest(str(manifest(tmp_path, content)))


@pytest.mark.parametrize("key", [key for key in GOOD if key != "fingerprint"])
def test_a_manifest_that_lacks_something_is_refused(tmp_path: Path, key: str) -> None:
    path = manifest(tmp_path, {name: value for name, value in GOOD.items() if name != key})
    with pytest.raises(ValueError, match=r"manifest.json (lacks \w+|is of format None)"):
        read_manifest(str(path))


def test_a_path_that_is_not_prepared_is_refused(tmp_path: Path) -> None:
    for path, sentence in (
        (None, "data=shards needs data.path=FOLDER"),
        ([], "data=shards needs data.path=FOLDER"),
        (str(tmp_path / "nowhere"), "nowhere does not exist: give a folder that litmus prepare has left"),
        (str(tmp_path), "has no manifest.json, so it is not prepared"),
        ("filecache::memory://nowhere", "is a chain of file systems: give a folder, or one URL"),
        ("memory://nowhere", "memory://nowhere/manifest.json can't be read"),
        ("nosuch://nowhere", "nosuch://nowhere/manifest.json can't be read"),
    ):
        with pytest.raises(ValueError, match=sentence):
            shard_fact("kind", path)


def test_data_that_differ_in_their_classes_can_not_be_mixed(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    paths = [str(manifest(tmp_path, GOOD)), str(manifest(tmp_path / "other", GOOD | {"classes": ["yes", "no"]}))]
    with pytest.raises(ValueError, match=r"can't be mixed, their classes differ: \['no', 'yes'\] and \['yes', 'no'\]"):
        shard_fact("classes", paths)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(node: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a tree."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place, *(found for key, value in inner for found in places(value, (*place, key)))]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(places(GOOD)), JSON)
def test_any_manifest_is_read_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[Any, ...], value: Any
) -> None:
    content: Any = {"": json.loads(json.dumps(GOOD))}
    node = content
    for key in ("", *place)[:-1]:
        node = node[key]
    node[("", *place)[-1]] = value
    folder = tmp_path_factory.mktemp("manifest")
    try:
        facts = shard_fact("classes", str(manifest(folder, json.dumps(content[""]))))
    except ValueError as error:
        assert "manifest.json" in str(error) and "\n" not in str(error)
    else:
        assert facts is None or all(isinstance(name, str) for name in facts)
