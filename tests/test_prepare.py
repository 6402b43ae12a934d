"""`litmus prepare`: every record that comes in goes out or is rejected with a reason, and what was planted is found."""

import gzip
import io
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard
from PIL import Image

from benchmarks.dirty import KINDS, RECIPE, Dirt, made_up_sentences
from litmus.cli import main as litmus
from litmus.guard import guard_hydra
from litmus.prepare.check import check
from litmus.prepare.config import FOLDER, Prepare, load, recipes
from litmus.prepare.prepare import prepare

Recipe = Callable[..., Prepare]
Rows = list[dict[str, Any]]
TEXTS = """
columns:
  text: {type: text, min: 1}
  label: {type: label, values: ["no", "yes"]}
target: label
"""
ALL_TRAIN = "split: {validation: 0, test: 0}\n"


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """A recipe of its own in a folder of its own, over files that are written there."""

    def write(text: str, files: dict[str, str | bytes], *overrides: str) -> Prepare:
        conf = tmp_path / "conf"
        conf.mkdir(exist_ok=True)
        shutil.copy(FOLDER / "default.yaml", conf)
        (conf / "mine.yaml").write_text(f"defaults: [default, _self_]\nprofile: false\nworkers: 1\n{text}")
        for name, content in files.items():
            path = tmp_path / "raw" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load("mine", [f"root={tmp_path}/raw", f"output={tmp_path}/out", *overrides], conf)

    return write


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def kept(folder: Path, split: str = "train") -> Rows:
    shards = manifest(folder)["splits"].get(split, {"shards": []})["shards"]
    return [row for shard in shards for row in pq.read_table(folder / shard["file"]).to_pylist()]


def rejects(folder: Path) -> Rows:
    return [row for path in sorted(folder.glob("rejects/*")) for row in pq.read_table(path).to_pylist()]


def reasons(folder: Path) -> dict[tuple[str, int], str]:
    return {(row["_file"], row["_row"]): row["reason"] for row in rejects(folder)}


def csv(*rows: str) -> str:
    return "\n".join(["text,label", *rows]) + "\n"


def test_sources_of_different_schemas_become_one(recipe: Recipe) -> None:
    text = """
columns:
  text: {type: text}
  label: {type: label, values: [against, for]}
  price: {type: number, required: false}
  shop: {type: category}
  day: {type: time}
target: label
sources:
  old:
    files: old/*.tsv.gz
    columns: {text: [title, body], label: stars, price: cents, day: when}
    values: {label: {"1": against, "5": for}}
    factors: {price: 0.01}
    constants: {shop: corner}
  new: {files: new.jsonl.zst, columns: {label: verdict, price: euros, day: at}}
  table: {files: new.parquet}
"""
    line = {"text": "fine", "verdict": "for", "euros": 2, "shop": "web", "at": 86400}
    parquet = io.BytesIO()
    import pyarrow as pa

    row = {
        "text": ["poor"],
        "label": ["against"],
        "price": [None],
        "shop": ["mall"],
        "day": ["2020-01-02T03:00:00+03:00"],
    }
    pq.write_table(pa.table(row), parquet)
    files: dict[str, str | bytes] = {
        "old/1.tsv.gz": gzip.compress(b"title\tbody\tstars\tcents\twhen\nGood\tstuff\t5\t250\t2019-12-31\n"),
        "new.jsonl.zst": zstandard.compress((json.dumps(line) + "\n").encode()),
        "new.parquet": parquet.getvalue(),
    }
    folder = prepare(recipe(text + ALL_TRAIN, files))
    rows = sorted(kept(folder), key=lambda row: str(row["_source"]))
    found = [
        (r["_source"], r["_file"], r["_row"], r["text"], r["label"], r["price"], r["shop"], str(r["day"])) for r in rows
    ]
    assert found == [
        ("new", "new.jsonl.zst", 1, "fine", 1, 2.0, "web", "1970-01-02 00:00:00"),
        ("old", "old/1.tsv.gz", 2, "Good stuff", 1, 2.5, "corner", "2019-12-31 00:00:00"),
        ("table", "new.parquet", 1, "poor", 0, None, "mall", "2020-01-02 00:00:00"),
    ]
    assert manifest(folder)["statistics"]["price"] == {"mean": 2.25, "std": 0.25}


def test_a_malformed_line_is_rejected_and_its_neighbours_are_not(recipe: Recipe) -> None:
    lines = [
        "good one,yes",
        '"a quote is not closed,yes',
        "second,no",
        "too,many,fields",
        "third,yes",
        'x"y,no',
        ",no",
        "fourth,maybe",
        "sixth,",
    ]
    content = csv(*lines).encode() + b"\xff\xfe,yes\nlast,no"
    folder = prepare(recipe(TEXTS + ALL_TRAIN + "sources: {a: {files: a.csv}}", {"a.csv": content}))
    assert sorted(row["text"] for row in kept(folder)) == ["good one", "last", "second", "third", 'x"y']
    assert reasons(folder) == {
        ("a.csv", 3): "malformed",
        ("a.csv", 5): "malformed",
        ("a.csv", 8): "missing",
        ("a.csv", 9): "class",
        ("a.csv", 10): "missing",
        ("a.csv", 11): "encoding",
    }
    assert manifest(folder)["counts"]["in"] == 11
    (quote,) = [row for row in rejects(folder) if row["_row"] == 3]
    assert quote["record"] == '"a quote is not closed,yes' and "not CSV" in quote["detail"]


def test_a_cell_of_many_lines_is_one_record(recipe: Recipe) -> None:
    folder = prepare(
        recipe(TEXTS + ALL_TRAIN + "sources: {a: {files: a.csv}}", {"a.csv": csv('"one\n\ntwo, ""three""",yes')})
    )
    assert [row["text"] for row in kept(folder)] == ['one\ntwo, "three"']


def test_texts_are_cleaned(recipe: Recipe) -> None:
    dirty = {
        "mojibake": "Ã©tÃ© Ã  la plage",
        "tags": "a &amp; b<br />c <b>d</b> 1 < 2",
        "control": "a\u200bb\x00c\r\nd",
        "spaces": "  a \t b  \n\n  c ",
        "nfc": "e\u0301",
    }
    lines = "".join(json.dumps({"text": text, "label": "no"}) + "\n" for text in dirty.values())
    folder = prepare(recipe(TEXTS + ALL_TRAIN + "sources: {a: {files: a.jsonl}}", {"a.jsonl": lines}))
    rows = sorted(kept(folder), key=lambda row: int(row["_row"]))
    assert [row["text"] for row in rows] == ["été à la plage", "a & b\nc d 1 < 2", "abc\nd", "a b\nc", "é"]
    assert [row["text_length"] for row in rows] == [len(row["text"]) for row in rows]


def test_messages_lose_headers_quotes_and_signatures(recipe: Recipe) -> None:
    text = "columns: {text: {clean: [headers, quotes, signature, spaces]}, label: {type: label, values: [b]}}\n"
    message = "From: x\nSubject: y\n\nHe wrote:\n> old\nnew words\n--\nname\n".encode("latin-1") + b"\xe9"
    source = "sources: {a: {files: '*/*', format: texts, encodings: [utf-8, latin-1], columns: {label: folder}}}\n"
    folder = prepare(recipe(text + "target: label\n" + source + ALL_TRAIN, {"b/1": message}))
    assert [row["text"] for row in kept(folder)] == ["new words"]


def test_limits_categories_and_outliers(recipe: Recipe) -> None:
    text = """
columns:
  size: {type: number, min: 0, max: 1000, outliers: 5}
  count: {type: integer, required: false}
  kind: {type: category, values: [a, b]}
inputs: [size, count]
duplicates: null
sources: {a: {files: a.csv}}
"""
    rows = [f"{10 + index % 5},{index},a" for index in range(50)]
    bad = ["-1,1,a", "2000,1,a", "500,1,a", "x,1,a", "nan,1,a", "11,1.5,a", "11,,b", "11,1,c", "inf,1,a"]
    folder = prepare(recipe(text + ALL_TRAIN, {"a.csv": "\n".join(["size,count,kind", *rows, *bad]) + "\n"}))
    found = {line - 52: reason for (_, line), reason in reasons(folder).items()}
    assert found == {0: "range", 1: "range", 2: "outlier", 3: "type", 4: "missing", 5: "type", 7: "range", 8: "type"}
    assert manifest(folder)["counts"]["out"] == 51 and manifest(folder)["kind"] == "table"


@pytest.mark.parametrize(
    ("rule", "left"), [("drop", ["a", "b"]), ("first", ["a", "b", "same"]), ("majority", ["a", "b", "same"])]
)
def test_conflicting_labels_are_resolved_by_the_rule(recipe: Recipe, rule: str, left: list[str]) -> None:
    rows = ["a,yes", "same,no", "Same,yes", "SAME ,yes", "tie,no", "tie,yes", "b,no"]
    folder = prepare(
        recipe(TEXTS + ALL_TRAIN + "sources: {a: {files: a.csv}}", {"a.csv": csv(*rows)}, f"duplicates.labels={rule}")
    )
    expected = [*left, *(["tie"] if rule == "first" else [])]
    assert sorted(row["text"].lower() for row in kept(folder)) == sorted(expected)
    same = [row["label"] for row in kept(folder) if row["text"].lower() == "same"]
    assert same == {"drop": [], "first": [0], "majority": [1]}[rule]
    assert manifest(folder)["found"]["texts_with_several_labels"] == 2


def test_what_stands_in_an_evaluation_set_leaves_training(recipe: Recipe) -> None:
    sources = """
sources:
  train: {files: train.csv, split: train}
  test: {files: test.csv, split: test}
  other: {files: other.csv, split: against}
split: {validation: 0.2}
"""
    train = [f"training text number {index},no" for index in range(40)]
    files = {
        "train.csv": csv(*train, "in the test,yes", "in the benchmark,yes", train[0]),
        "test.csv": csv("In  the test,yes", "alone,no", "alone,no"),
        "other.csv": csv("in the benchmark,no"),
    }
    folder = prepare(recipe(TEXTS + sources, files))
    assert Counter(reasons(folder).values()) == {"leak": 2, "duplicate": 1}
    found = manifest(folder)
    assert found["found"]["evaluation_records_in_train"] == 2
    assert found["found"]["repeats"] == {"test": 1, "train": 1}  # and test stays as it was published
    assert found["counts"]["looked_up"] == 1 and found["splits"]["test"]["rows"] == 3
    assert found["splits"]["train"]["rows"] + found["splits"]["validation"]["rows"] == 40
    (row,) = [row for row in rejects(folder) if row["_row"] == 42]
    assert row["detail"] == "its text stands in an evaluation set: test.csv:2"


def test_labels_are_looked_up_in_tables(recipe: Recipe) -> None:
    text = """
columns:
  id: {type: integer}
  text: {type: text}
  label: {type: label, values: ["no", "yes"], table: answers, key: id}
target: label
sources: {a: {files: a.jsonl}}
tables: {answers: {files: answers.csv, columns: {label: answer}}}
"""
    lines = "".join(json.dumps({"id": index, "text": f"text {index}"}) + "\n" for index in range(4))
    answers = "id,answer\n0,yes\n1,no\n0,no\n2,maybe\n"
    folder = prepare(recipe(text + ALL_TRAIN, {"a.jsonl": lines, "answers.csv": answers}))
    assert {row["id"]: row["label"] for row in kept(folder)} == {0: 1, 1: 0}
    assert reasons(folder) == {("a.jsonl", 3): "unmatched", ("a.jsonl", 4): "unmatched", ("answers.csv", 5): "class"}
    assert manifest(folder)["found"]["tables"] == {"answers": {"repeated_keys": 1}}


def test_images_that_cannot_be_read_are_rejected(recipe: Recipe) -> None:
    text = "columns: {image: {type: image}, label: {type: label, values: [cat, dog]}}\ntarget: label\n"
    source = "sources: {a: {files: '*/*.png', format: images, columns: {label: folder}}}\n"
    files: dict[str, str | bytes] = {}
    for index, name in enumerate(["cat/1", "cat/2", "dog/1", "dog/2"]):
        picture = io.BytesIO()
        Image.new("RGB", (8, 8), (index, 0, 0)).save(picture, "png")
        files[f"{name}.png"] = picture.getvalue()[: 40 if name == "dog/2" else None]
    folder = prepare(recipe(text + source + ALL_TRAIN, files, "image_shape=[3, 8, 8]"))
    assert sorted(row["label"] for row in kept(folder)) == [0, 0, 1]
    assert reasons(folder) == {("dog/2.png", 1): "image"}
    assert all(Image.open(io.BytesIO(row["image"])).size == (8, 8) for row in kept(folder))
    assert manifest(folder)["kind"] == "image"
    small = prepare(recipe(text + source + ALL_TRAIN, files, "image_shape=[3, 4, 4]", "pixels=true"))
    pictures = [Image.open(io.BytesIO(row["image"])) for row in kept(small)]
    assert all(picture.format == "PPM" and picture.size == (4, 4) for picture in pictures)
    assert sorted(picture.getpixel((0, 0))[0] for picture in pictures) == [0, 1, 2]


def split_of(folder: Path) -> dict[str, str]:
    return {row["text"]: split for split in ("train", "validation", "test") for row in kept(folder, split)}


def many(count: int, start: int = 0) -> str:
    return csv(*(f"text number {index},{'yes' if index % 5 == 0 else 'no'}" for index in range(start, start + count)))


def test_a_split_by_hash_stays_when_data_are_added(recipe: Recipe) -> None:
    text = TEXTS + "sources: {a: {files: '*.csv'}}\n"
    before = split_of(prepare(recipe(text, {"a.csv": many(300)})))
    after = split_of(prepare(recipe(text, {"0.csv": many(300, 300)})))
    assert len(after) == 600 and all(after[text] == split for text, split in before.items())
    shares = Counter(after.values())
    assert all(35 < shares[split] < 90 for split in ("validation", "test"))
    other = split_of(prepare(recipe(text, {}, "split.seed=1")))
    assert other != after


def test_a_split_by_class_has_the_same_shares_of_each(recipe: Recipe) -> None:
    folder = prepare(recipe(TEXTS + "sources: {a: {files: a.csv}}\n", {"a.csv": many(400)}, "split.by=class"))
    found = {split: Counter(row["label"] for row in kept(folder, split)) for split in ("train", "validation", "test")}
    assert found == {"train": {0: 256, 1: 64}, "validation": {0: 32, 1: 8}, "test": {0: 32, 1: 8}}


def test_a_split_by_columns_keeps_groups_together(recipe: Recipe) -> None:
    text = "columns: {text: {type: text}, user: {type: category}}\nsources: {a: {files: a.csv}}\n"
    text += "split: {columns: [user], test: 0.5}\n"
    rows = "\n".join(["text,user", *(f"text {index},user {index % 20}" for index in range(200))]) + "\n"
    folder = prepare(recipe(text, {"a.csv": rows}))
    users = [{row["user"] for row in kept(folder, split)} for split in ("train", "validation", "test")]
    assert sum(map(len, users)) == len(set().union(*users)) == 20 and len(users[2]) > 3


def test_a_split_by_time_tests_on_what_came_later(recipe: Recipe) -> None:
    text = "columns: {text: {type: text}, day: {type: time}}\nsources: {a: {files: a.csv}}\n"
    split = "split: {by: time, columns: [day], validation: 2020-01-20, test: 2020-01-25}\n"
    rows = "\n".join(["text,day", *(f"text {day},2020-01-{day:02d}" for day in range(1, 31))]) + "\n"
    folder = prepare(recipe(text + split, {"a.csv": rows}))
    days = [sorted(row["day"].day for row in kept(folder, split)) for split in ("train", "validation", "test")]
    assert days == [list(range(1, 20)), list(range(20, 25)), list(range(25, 31))]


def test_what_was_planted_is_found_and_nothing_else(recipe: Recipe, tmp_path: Path) -> None:
    """A megabyte of dirt: precision and recall of each step against the truth."""
    sentences = made_up_sentences(5000, 0)
    held_out = [Dirt(sentences, [], 1000 + index).text() for index in range(50)]
    raw = tmp_path / "raw"
    raw.mkdir()
    truth = []
    for index, name in enumerate(["0.csv", "1.jsonl", "2.csv.gz", "3.jsonl.gz"]):
        truth += Dirt(sentences, held_out, index).write(raw / name, 300_000)
    text = f"{RECIPE}near_duplicates: {{threshold: 0.7}}\n"
    held = "".join(json.dumps({"body": each, "verdict": "no"}) + "\n" for each in held_out)
    folder = prepare(recipe(text, {"held.json": held}))
    found = reasons(folder)
    by_kind: dict[str, Counter[str | None]] = defaultdict(Counter)
    for row in truth:
        by_kind[row["kind"]][found.pop((row["file"], row["line"]), None)] += 1
    assert not found
    assert by_kind.keys() == KINDS.keys()
    for kind, counts in by_kind.items():
        assert counts == {KINDS[kind][1]: sum(counts.values())}, kind
    texts = {
        (row["_file"], row["_row"]): row["text"] for split in ("train", "validation") for row in kept(folder, split)
    }
    mended = [row for row in truth if row["text"] is not None]
    assert mended and all(texts[row["file"], row["line"]] == row["text"] for row in mended)


def test_the_same_again_does_nothing_and_a_new_file_alone_is_read(recipe: Recipe, tmp_path: Path) -> None:
    text = TEXTS + "sources: {a: {files: '*.csv'}}\nchunk_megabytes: 0.000001\n"
    folder = prepare(recipe(text, {"a.csv": many(50), "b.csv": many(50, 50)}))
    first = (folder / "manifest.json").stat().st_ino
    parts = tmp_path / ".out" / "parts"
    read = {path.name: path.stat().st_ino for path in parts.iterdir()}
    assert prepare(recipe(text, {})) == folder and (folder / "manifest.json").stat().st_ino == first
    prepare(recipe(text, {"c.csv": many(50, 100)}))
    after = {path.name: path.stat().st_ino for path in parts.iterdir()}
    assert manifest(folder)["counts"]["out"] == 150
    assert len(after) == 3 and read.items() <= after.items()
    (tmp_path / "raw" / "a.csv").unlink()
    prepare(recipe(text, {}))
    assert manifest(folder)["counts"]["out"] == 100 and len(list(parts.iterdir())) == 2


def test_shards_have_a_target_size_and_any_number_of_workers_writes_the_same(recipe: Recipe) -> None:
    text = TEXTS + "sources: {a: {files: '*.csv'}}\nshards: {megabytes: 0.01, block_rows: 16}\nchunk_megabytes: 0.005\n"
    folder = prepare(recipe(text, {"a.csv": many(1000), "b.csv": many(1000, 1000)}))
    one = manifest(folder)
    shards = one["splits"]["train"]["shards"]
    assert len(shards) >= 5 and all(100 < shard["rows"] < 400 for shard in shards)
    file = pq.ParquetFile(folder / shards[0]["file"])
    groups = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
    assert set(groups[:-1]) == {16} and sum(groups) == shards[0]["rows"]
    shutil.rmtree(folder)
    prepare(recipe(text, {}, "workers=2"))
    assert manifest(folder)["splits"] == one["splits"]


def test_a_file_that_ends_early_gives_what_it_has(recipe: Recipe) -> None:
    lines = "".join(json.dumps({"text": f"{index} {index**9}", "label": "no"}) + "\n" for index in range(5000))
    files: dict[str, str | bytes] = {"a.jsonl.gz": gzip.compress(lines.encode())[:-2000], "b.parquet": b"PAR1 no more"}
    folder = prepare(recipe(TEXTS + ALL_TRAIN + "sources: {a: {files: '*'}}", files))
    assert len(kept(folder)) > 1000 and set(reasons(folder).values()) == {"unreadable"}
    assert {row["_file"] for row in rejects(folder)} == set(files)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("columns.text.type=txt", "columns.text.type=txt is not known: did you mean text?"),
        ("sources.a.files=none.csv", "finds no file: the source a needs it"),
        ("+sources.a.columns.text=review", "a.csv has no column review: there is text, label"),
        ("+sources.a.colums.text=review", "sources.a.colums is not a key: did you mean columns?"),
        ("split.test=2", "split.test=2 is not a share"),
        ("sources.a.files=a.doc", "give format=csv, jsonl, texts"),
        ("engine=pandas", "engine=pandas is not known: there is duckdb, spark"),
        ("target=lable", "target=lable is not known: did you mean label?"),
        ("memory=lots", "memory=lots is not a size, such as 500MB"),
        ("columns.text.min=1000", "no record is left for training: 20 of 20 were rejected"),
    ],
)
def test_a_mistake_is_one_sentence(recipe: Recipe, change: str, sentence: str) -> None:
    with pytest.raises(Exception, match=r".") as raised:
        prepare(recipe(TEXTS + "sources: {a: {files: a.csv}}\n", {"a.csv": many(20), "a.doc": b""}, change))
    from litmus.errors import explain

    assert sentence in (explain(raised.value) or ""), raised.value


@pytest.mark.parametrize("name", recipes())
def test_every_recipe_of_the_project_makes_sense(name: str) -> None:
    recipe = load(name, ["root=somewhere"])
    check(recipe)
    assert recipe.output == f"somewhere/prepared/{name}"


def test_the_command_says_what_came_of_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LITMUS_DATA", str(tmp_path))
    litmus(["prepare"])
    assert "reviews\tChinese reviews" in capsys.readouterr().out
    for split in ("train", "test"):
        for name in ("neg", "pos"):
            (tmp_path / "aclImdb" / split / name).mkdir(parents=True)
            for index in range(5):
                (tmp_path / "aclImdb" / split / name / f"{index}.txt").write_text(f"{split} {name} {index // 2}")
    litmus(["prepare", "imdb", "profile=false", "workers=1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "20 records in" and lines[-1] == f"{tmp_path}/prepared/imdb"
    assert any(line.split() == ["4", "rejected:", "duplicate"] for line in lines)


def test_a_recipe_is_composed_where_hydra_is_guarded() -> None:
    guard_hydra()
    assert load("reviews", ["root=somewhere"]).target == "label"
