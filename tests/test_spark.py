"""`litmus prepare NAME engine=spark`, on Spark's local mode: the same files as DuckDB's, to the byte."""

import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.dirty import RECIPE, Dirt, made_up_sentences
from litmus.prepare.config import FOLDER, Prepare, load
from litmus.prepare.prepare import prepare
from litmus.prepare.spark import Spark, address, carried, is_told_where, unpacked

SLOW = pytest.mark.slow
JAVA = pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")

EVERYTHING = """
columns:
  text: {type: text, min: 3}
  label: {type: label, values: ["no", "yes"]}
  order: {type: integer, required: false}
  score: {type: number, outliers: 6}
  day: {type: time}
  id: {type: category}
  region: {type: category, table: people, key: id}
  age: {type: number, required: false, table: people, key: id}
target: label
sources:
  table: {files: a.csv, columns: {text: review, label: stars, order: number}, values: {label: {"1": "no", "5": "yes"}}}
  lines: {files: b.jsonl, columns: {text: [title, body], label: verdict}, factors: {score: 0.1}}
  texts:
    files: texts/*/*.txt
    format: texts
    columns: {label: folder}
    constants: {score: 3, day: 2020-02-03, id: p7}
  held: {files: held/*.jsonl, constants: {score: 3, day: 2020-02-03, id: p9}, split: against}
tables:
  people: {files: people.csv}
shards: {megabytes: 0.01, block_rows: 16}
chunk_megabytes: 0.02
near_duplicates: {threshold: 0.6}
"""
SPLITS = {
    "by hash, conflicts dropped": "split: {by: hash, seed: 3}\nduplicates: {labels: drop}\n",
    "by class, the first kept": "split: {by: class}\nduplicates: {labels: first, evaluation: true}\n",
    "by time, the majority kept": (
        "split: {by: time, columns: [day], validation: '2020-03-01', test: '2020-04-01 12:00:00'}\n"
        "duplicates: {labels: majority, ignore: [case, space, punctuation]}\n"
    ),
}
DIRTY = f"{RECIPE}near_duplicates: {{threshold: 0.7}}\nshards: {{megabytes: 2}}\n"


def write_sources(raw: Path) -> None:
    """What every step finds something in."""
    draw = random.Random(0)
    sentences = made_up_sentences(400, 0)
    texts = [" ".join(draw.choices(sentences, k=3)) for _ in range(300)]
    texts += ["é" + text.upper() for text in draw.choices(texts, k=60)]  # other texts
    texts += [text.upper() for text in draw.choices(texts, k=60)]  # the same
    texts += [f"{text} and so on" for text in draw.choices(texts[:300], k=60)]  # nearly the same
    rows = []
    for number, text in enumerate(texts):
        score = draw.choice([1, 2.5, 3, 4.75, 5]) if number % 97 else 1e6
        day = f"2020-{draw.randint(1, 5):02d}-{draw.randint(1, 28):02d}T{draw.randint(0, 23):02d}:30:00.000123"
        rows.append(
            [text, draw.choice(["1", "5"]), number if number % 3 else "", score, day, f"p{draw.randint(0, 19)}"]
        )
    draw.shuffle(rows)
    raw.mkdir()
    (raw / "texts" / "no").mkdir(parents=True)
    (raw / "held").mkdir()
    lines = ["review,stars,number,score,day,id", *(",".join(map(str, row)) for row in rows[:250])]
    lines += ["too,few", "bad,1,x,3,2020-01-01,p1", "stars,9,1,3,2020-01-01,p1", ",1,1,3,2020-01-01,p1"]
    (raw / "a.csv").write_text("\n".join(lines) + "\n")
    names = ("body", "verdict", "order", "score", "day", "id")
    found = [dict(zip(names, row, strict=True)) for row in rows[250:]]
    for row in found:
        row |= {"verdict": "yes" if row["verdict"] == "5" else "no", "title": "x", "score": row["score"] * 10}
    (raw / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found) + "{broken\n")
    for number in range(20):
        (raw / "texts" / "no" / f"{number}.txt").write_text(
            f"{texts[number]} it's a \\ 'quoted' \"text\" {number // 2}"
        )
    held = [{"text": text, "label": "no"} for text in [*texts[40:50], f"{texts[60]} and more"]]
    (raw / "held" / "1.jsonl").write_text("".join(json.dumps(row) + "\n" for row in held))
    people = [f"p{number},{'north' if number % 2 else ''},{20.1 + number}" for number in range(18)]
    (raw / "people.csv").write_text("\n".join(["id,region,age", *people, "p3,south,1"]) + "\n")


def recipe(folder: Path, text: str, engine: str) -> Prepare:
    conf = folder / "conf"
    conf.mkdir(exist_ok=True)
    shutil.copy(FOLDER / "default.yaml", conf)
    (conf / "mine.yaml").write_text(f"defaults: [default, _self_]\nprofile: false\nworkers: 1\n{text}")
    output = folder / "out [of] {a} box" / engine
    return load("mine", [f"root={folder}/raw", f'output="{output}"', f"engine={engine}"], conf)


def assert_the_same(one: Path, other: Path) -> dict[str, Any]:
    """All files to the byte, and the manifest but for what must differ; returns that."""
    manifests = []
    files = []
    for folder in (one, other):
        manifest = json.loads((folder / "manifest.json").read_text())
        for key in ("output", "engine"):
            del manifest["recipe"][key]
        manifests.append(manifest)
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "manifest.json"]
        files.append({str(path.relative_to(folder)): path.read_bytes() for path in paths})
    assert manifests[0] == manifests[1]
    assert files[0].keys() == files[1].keys()
    assert [name for name in files[0] if files[0][name] != files[1][name]] == []
    found: dict[str, Any] = manifests[0]
    return found


@SLOW
@JAVA
@pytest.mark.parametrize("how", SPLITS)
def test_every_step_leaves_the_same_on_spark_as_on_duckdb(tmp_path: Path, how: str) -> None:
    pytest.importorskip("pyspark")
    write_sources(tmp_path / "raw")
    one, other = (prepare(recipe(tmp_path, EVERYTHING + SPLITS[how], engine)) for engine in ("duckdb", "spark"))
    manifest = assert_the_same(one, other)
    assert manifest["splits"].keys() == {"train", "validation", "test"}
    assert len(manifest["splits"]["train"]["shards"]) > 1
    reasons = {reason for source in manifest["counts"]["sources"].values() for reason in source["rejected"]}
    expected = {"malformed", "type", "class", "missing", "unmatched", "outlier", "leak", "duplicate", "near_duplicate"}
    assert reasons == expected | {"conflict"}
    assert manifest["statistics"].keys() == {"order", "score", "age"}
    assert [path.name for path in other.parent.joinpath(".spark").iterdir()] == ["parts"]


@SLOW
@JAVA
def test_twenty_megabytes_of_dirt_come_out_the_same(tmp_path: Path) -> None:
    pytest.importorskip("pyspark")
    sentences = made_up_sentences(20_000, 0)
    held_out = [Dirt(sentences, [], 1000 + index).text() for index in range(200)]
    (tmp_path / "raw").mkdir()
    for index, name in enumerate(["0.csv", "1.jsonl", "2.csv", "3.jsonl"]):
        Dirt(sentences, held_out, index).write(tmp_path / "raw" / name, 5_000_000)
    held = "".join(json.dumps({"body": each, "verdict": "no"}) + "\n" for each in held_out)
    (tmp_path / "raw" / "held.json").write_text(held)
    manifest = assert_the_same(*(prepare(recipe(tmp_path, DIRTY, engine)) for engine in ("duckdb", "spark")))
    assert manifest["counts"]["rejected"] > 2000


@SLOW
@JAVA
def test_a_mistake_that_a_worker_finds_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("pyspark")
    write_sources(tmp_path / "raw")
    with pytest.raises(
        ValueError, match=r"a\.csv has no column stars: there is review, .*; say in sources\.table\.columns"
    ):
        (tmp_path / "raw" / "a.csv").write_text("review,number,score,day,id\n")
        prepare(recipe(tmp_path, EVERYTHING, "spark"))


def test_without_pyspark_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(ValueError, match=r"needs PySpark: pip install 'litmus\[spark\]'"):
        Spark(tmp_path / "engine", "1GB", 1)


def test_without_java_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("JAVA_HOME", "PYSPARK_GATEWAY_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="needs Java 17 or newer: install it, or set JAVA_HOME"):
        Spark(tmp_path / "engine", "1GB", 1)
    with pytest.raises(ValueError, match="memory=300MB: a driver of engine=spark needs 512MiB at least"):
        Spark(tmp_path / "engine", "300MB", 1)


def test_a_worker_that_does_not_see_the_folder_says_which(tmp_path: Path) -> None:
    assert unpacked(carried(str(tmp_path), lambda: 7)) == 7
    with pytest.raises(ValueError, match=r"does not see /nowhere: .* in a folder that all machines share"):
        unpacked(carried("/nowhere", lambda: 7))


def test_brackets_in_a_path_are_no_globs() -> None:
    assert address(Path("/data/a [b]/{c}*")) == r"file:///data/a \[b\]/\{c\}\*"


def test_a_master_is_taken_from_where_spark_users_give_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYSPARK_GATEWAY_PORT", "MASTER", "PYSPARK_SUBMIT_ARGS", "SPARK_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    assert not is_told_where()
    (tmp_path / "spark-defaults.conf").write_text("# spark.master local\nspark.executor.memory 2g\n")
    assert not is_told_where()
    (tmp_path / "spark-defaults.conf").write_text("spark.master spark://there:7077\n")
    assert is_told_where()
    monkeypatch.delenv("SPARK_CONF_DIR")
    assert not is_told_where()
    monkeypatch.setenv("MASTER", "spark://there:7077")
    assert is_told_where()
