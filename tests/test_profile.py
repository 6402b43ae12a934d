"""What the mining of a prepared result finds: planted things are there, and nothing where nothing was planted."""

import io
import json
import random
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")
pytest.importorskip("cleanlab")

import numpy as np  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from PIL import Image  # noqa: E402

from litmus.page import page, table  # noqa: E402
from litmus.prepare.mining.drift import jensen_shannon  # noqa: E402
from litmus.prepare.mining.quantiles import quantiles  # noqa: E402
from litmus.prepare.mining.result import Result  # noqa: E402
from litmus.prepare.mining.tokens import tokenize  # noqa: E402
from litmus.prepare.mining.vocabulary import growth  # noqa: E402
from litmus.prepare.profile import profile, rounded  # noqa: E402

GOOD = ["lovely", "great", "warm", "fine", "happy", "bright"]
BAD = ["awful", "poor", "cold", "broken", "sad", "dull"]
OTHER = [f"word{number}" for number in range(40)]
TEXT = {"text": pa.string(), "text_length": pa.int32(), "label": pa.int32()}
PLACE = {"_source": pa.string(), "_file": pa.string(), "_row": pa.int64()}
REJECTS = pa.schema({**PLACE, "reason": pa.string(), "detail": pa.string(), "record": pa.string()})
Rows = list[dict[str, Any]]


def review(generator: random.Random, label: int, more: Sequence[str] = OTHER) -> dict[str, Any]:
    words = generator.choices(BAD if label == 0 else GOOD, k=4) + generator.choices(more, k=6)
    generator.shuffle(words)
    text = " ".join(words)
    return {"text": text, "text_length": len(text), "label": label}


def reviews(count: int, seed: int, more: Sequence[str] = OTHER, source: str = "web") -> Rows:
    generator = random.Random(seed)
    rows = [review(generator, index % 2, more) for index in range(count)]
    return [{**row, "_source": source, "_file": f"{source}.csv", "_row": index} for index, row in enumerate(rows, 2)]


def written(
    folder: Path,
    splits: dict[str, Rows],
    columns: dict[str, Any] | None = None,
    rejects: Rows | None = None,
    **facts: Any,
) -> Path:
    """A result folder by hand, two shards a split."""
    schema = pa.schema({**(columns or TEXT), **PLACE})
    entries = {}
    for split, rows in splits.items():
        shards = []
        (folder / split).mkdir(parents=True)
        half = -(-len(rows) // 2)
        for number, part in enumerate((rows[:half], rows[half:])):
            name = f"{split}/{number:05d}.parquet"
            pq.write_table(pa.Table.from_pylist(part, schema), folder / name, row_group_size=64)
            shards.append({"file": name, "rows": len(part)})
        entries[split] = {"rows": len(rows), "shards": shards}
    if rejects:
        (folder / "rejects").mkdir()
        pq.write_table(pa.Table.from_pylist(list(rejects), REJECTS), folder / "rejects" / "duplicate.parquet")
    manifest = {
        "format": 1,
        "name": "made up",
        "fingerprint": "0" * 16,
        "kind": "text",
        "inputs": ["text"],
        "target": "label",
        "classes": ["against", "for"],
        "splits": entries,
        **facts,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def profiled(folder: Path) -> tuple[dict[str, Any], str]:
    profile(folder)
    found: dict[str, Any] = json.loads((folder / "profile.json").read_text(encoding="utf-8"))
    return found, (folder / "profile.html").read_text(encoding="utf-8")


def test_statistics_are_those_of_all_rows(tmp_path: Path) -> None:
    train, test = reviews(100, 0), reviews(50, 1)
    found, _ = profiled(written(tmp_path / "made", {"train": train, "test": test}))
    lengths = [row["text_length"] for row in train]
    own = found["columns"]["text"]["splits"]["train"]
    assert (own["count"], own["nulls"], own["min"], own["max"]) == (100, 0, min(lengths), max(lengths))
    assert own["mean"] == pytest.approx(np.mean(lengths), rel=1e-5)
    assert own["std"] == pytest.approx(np.std(lengths), rel=1e-5)
    assert found["columns"]["text"]["splits"]["all"]["count"] == 150
    assert found["classes"]["counts"] == {"against": 75, "for": 75}
    assert found["classes"]["splits"] == {"train": {"against": 50, "for": 50}, "test": {"against": 25, "for": 25}}
    assert found["classes"]["sources"] == {"web": {"against": 75, "for": 75}}
    assert {split: sum(counts) for split, counts in found["histograms"]["text"]["splits"].items()} == found["rows"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made"]


def test_planted_label_errors_come_first(tmp_path: Path) -> None:
    train = reviews(400, 0)
    wrong = {row["_row"] for row in train[::40]}
    for row in train[::40]:
        row["label"] = 1 - row["label"]
    found, html = profiled(written(tmp_path / "made", {"train": train}))
    listed = found["label_errors"]["examples"]
    assert len(wrong & {one["_row"] for one in listed[: len(wrong)]}) >= 8
    assert found["label_errors"]["suspected"] <= len(wrong) + 2
    first = listed[0]
    assert {first["given"], first["suggested"]} == {"against", "for"} and first["text"] in html
    assert found["label_errors"]["looked_at"] == 400 and found["label_errors"]["accuracy"] > 0.9


def test_a_planted_drift_is_seen_and_none_where_there_is_none(tmp_path: Path) -> None:
    strange = [f"strange{number}" for number in range(20)] + OTHER
    train = reviews(300, 0) + reviews(300, 1, strange, "shop")
    random.Random(0).shuffle(train)
    test = reviews(100, 2) + reviews(100, 3, strange, "shop")
    found, _ = profiled(written(tmp_path / "made", {"train": train, "test": test}))
    splits, sources = found["drift"]
    assert (splits["a"], splits["b"]) == ("train", "test") and {sources["a"], sources["b"]} == {"web", "shop"}
    assert splits["classifier"]["auc"] < splits["classifier"]["chance"]
    assert all(own["distance"] < own["chance"] for own in splits["distances"].values())
    assert sources["classifier"]["auc"] > 0.9 > sources["classifier"]["chance"]
    assert sources["distances"]["tokens"]["distance"] > 2 * sources["distances"]["tokens"]["chance"]
    assert sources["distances"]["classes"]["distance"] < sources["distances"]["classes"]["chance"]
    assert all(one["token"].startswith("strange") for one in sources["tokens"])


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = written(tmp_path / "made", {"train": reviews(4000, 0), "validation": reviews(60, 1)})
    profile(folder)
    first = [(folder / name).read_bytes() for name in ("profile.json", "profile.html")]
    profile(folder)
    assert [(folder / name).read_bytes() for name in ("profile.json", "profile.html")] == first


def test_clusters_name_the_kept_record_and_the_rejected_ones(tmp_path: Path) -> None:
    train = reviews(40, 0)
    kept = f"web.csv:{train[3]['_row']}"
    rejects = [
        {"_source": "web", "_file": "old.csv", "_row": row, "reason": "duplicate", "detail": f"the same as {kept}"}
        for row in range(5)
    ]
    leak = {"reason": "leak", "detail": "its text stands in an evaluation set: gone.csv:7", "record": "a leak"}
    rejects += [{"_source": "web", "_file": "old.csv", "_row": 9, **leak}]
    rejects += [
        {"_source": "web", "_file": "old.csv", "_row": 8, "reason": "missing", "detail": "no text", "record": "{}"}
    ]
    found, html = profiled(written(tmp_path / "made", {"train": train}, rejects=rejects))
    assert {reason: one["count"] for reason, one in found["rejected"].items()} == {
        "duplicate": 5,
        "leak": 1,
        "missing": 1,
    }
    assert found["clusters"]["sizes"] == [{"rejected": 1, "clusters": 1}, {"rejected": 5, "clusters": 1}]
    first, second = found["clusters"]["largest"]
    assert (first["kept"], first["reason"], first["rejected"], first["kept_split"]) == (kept, "duplicate", 5, "train")
    assert first["kept_text"] == train[3]["text"] and [one["_row"] for one in first["examples"]] == [0, 1, 2]
    assert (second["kept"], second["kept_split"], second["examples"][0]["text"]) == ("gone.csv:7", None, "a leak")
    assert kept in html and "and 2 more" in html


def test_nothing_from_the_data_is_html(tmp_path: Path) -> None:
    attack = "<script>alert(1)</script>"
    train = reviews(60, 0, source=attack)
    for row in train[:2]:
        row.update(text=f"{attack} {row['text']}", label=1 - row["label"])
    rejects = [{"_source": attack, "_file": attack, "_row": 1, "reason": attack, "detail": attack, "record": attack}]
    facts = {"name": attack, "classes": [attack, "for"], "found": {"repeats": {attack: 1}}}
    _, html = profiled(written(tmp_path / "made", {"train": train, "test": train}, rejects=rejects, **facts))
    assert "<script" not in html and html.count("&lt;script&gt;") > 10


def test_a_page_escapes_titles_and_cells() -> None:
    assert "<b>" not in page("<b>", table(["<b>"], [("<b>", 1.5, None)][:0]))
    assert table(["<b>"], [("<b>",)]).count("&lt;b&gt;") == 2


def test_one_class_no_target_and_empty_texts_are_profiled(tmp_path: Path) -> None:
    train = reviews(30, 0)
    for row in train:
        row["label"] = 0
    one, html = profiled(written(tmp_path / "one", {"train": train}))
    assert "1 classes have 5 examples" in one["label_errors"]["why_not"] and "Not looked for" in html
    assert one["classes"]["counts"] == {"against": 30, "for": 0}
    columns = {name: kind for name, kind in TEXT.items() if name != "label"}
    none, _ = profiled(written(tmp_path / "none", {"train": reviews(30, 0)}, columns, target=None, classes=None))
    assert none["classes"] is None and none["label_errors"]["looked_at"] == 0
    empty = [{**row, "text": "", "text_length": 0} for row in reviews(30, 0)]
    blank, _ = profiled(written(tmp_path / "blank", {"train": empty, "test": empty[:1]}))
    assert blank["vocabulary"] is None and "why_not" in blank["drift"][0]


def test_a_table_has_outliers_label_errors_and_missing_numbers(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = []
    for index in range(300):
        label = index % 3
        height = None if index % 50 == 0 else float(generator.normal(10 * label))
        rows.append({"height": height, "width": int(generator.integers(100)), "kind": "abc"[label], "_row": index})
    rows[7]["width"], rows[10]["kind"] = 100_000, "c"
    for row in rows:
        row |= {"_source": "web", "_file": "web.csv"}
    columns = {"height": pa.float64(), "width": pa.int64(), "kind": pa.string()}
    facts = {"kind": "table", "inputs": ["height", "width"], "target": "kind", "classes": None}
    found, html = profiled(written(tmp_path / "made", {"train": rows, "test": rows[:60]}, columns, **facts))
    assert found["columns"]["height"]["splits"]["train"]["nulls"] == 6
    assert [one["_row"] for one in found["outliers"]["width"]["farthest"]] == [7, 7]
    assert found["outliers"]["height"]["count"] == 0
    assert found["label_errors"]["examples"][0]["_row"] == 10
    assert set(found["drift"][0]["distances"]) == {"classes", "height", "width"}
    assert found["columns"]["kind"]["frequent"][0]["count"] == 122 and "height=" in html


def test_a_table_without_numbers_and_a_time_as_target_are_profiled(tmp_path: Path) -> None:
    moment = datetime(2024, 1, 31)
    place = {"_source": "web", "_file": "web.csv"}
    rows = [{"color": "red", "when": moment, "_row": index, **place} for index in range(60)]
    columns = {"color": pa.string(), "when": pa.timestamp("us")}
    facts: dict[str, Any] = {"kind": "table", "inputs": ["color"], "target": "when", "classes": None}
    time, _ = profiled(written(tmp_path / "time", {"train": rows, "test": rows[:40]}, columns, **facts))
    assert time["columns"]["when"]["splits"]["all"]["max"] == "2024-01-31 00:00:00"
    facts |= {"inputs": ["when"], "target": "color"}
    color, html = profiled(written(tmp_path / "color", {"train": rows, "test": rows[:40]}, columns, **facts))
    assert color["classes"]["counts"] == {"red": 100} and color["label_errors"]["looked_at"] == 0
    assert color["drift"][0]["distances"]["classes"]["distance"] == 0 and "Not looked for" in html


def test_images_are_shown_small(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = []
    for index in range(80):
        shade = 60 if index % 2 else 190
        size = 64 if index == 5 else 16
        pixels = np.clip(generator.normal(shade, 20, (size, size, 3)), 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        label = index % 2 if index != 20 else 1
        place = {"_source": "web", "_file": f"{index}.png", "_row": 1}
        rows.append({"image": buffer.getvalue(), "label": label, **place})
    columns = {"image": pa.binary(), "label": pa.int32()}
    facts = {"kind": "image", "inputs": ["image"], "image_shape": [3, 16, 16]}
    found, html = profiled(written(tmp_path / "made", {"train": rows}, columns, **facts))
    sizes = {(one["width"], one["height"]): one["count"] for one in found["image_sizes"]}
    assert sizes == {(16, 16): 79, (64, 64): 1}
    assert found["outliers"]["image"]["longest"][0]["_file"] == "5.png"
    assert found["label_errors"]["examples"][0]["_file"] == "20.png" and "data:image/png;base64," in html


def test_a_number_is_a_target_without_classes(tmp_path: Path) -> None:
    rows = [{**row, "price": float(row["_row"])} for row in reviews(60, 0)]
    columns = {"text": pa.string(), "text_length": pa.int32(), "price": pa.float64()}
    found, _ = profiled(
        written(tmp_path / "made", {"train": rows, "test": rows}, columns, target="price", classes=None)
    )
    assert found["classes"] is None and found["columns"]["price"]["splits"]["train"]["max"] == 61
    assert set(found["drift"][0]["distances"]) == {"lengths", "price", "tokens"}


def test_tokens_are_words_and_the_characters_of_scripts_without_spaces() -> None:
    words = ["don", "t", "panic", *"质量不错", "iphone", *"很好"]
    assert tokenize(["Don't panic", "质量不错 iPhone很好"]).words == words
    assert tokenize(["质量不错 iPhone很好"]).unspaced and not tokenize(["Don't panic 质"]).unspaced


def test_a_vocabulary_grows_with_heaps_exponent() -> None:
    new = growth(tokenize([" ".join(f"w{number}" for number in range(1000))]))
    assert new is not None and new["heaps_exponent"] == pytest.approx(1) and new["distinct"] == 1000
    old = growth(tokenize(["again " * 1000]))
    assert old is not None and old["heaps_exponent"] == pytest.approx(0) and old["growth"][-1] == [1000, 1]
    assert growth(tokenize([""])) is None


def test_quantiles_are_near_and_of_few_values_exact(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    prices = generator.lognormal(8, 1, 3000)
    rows = [{**row, "price": float(price)} for row, price in zip(reviews(3000, 0), prices, strict=True)]
    folder = written(tmp_path / "made", {"train": rows}, {**TEXT, "price": pa.float64()})
    with Result(folder, tmp_path / "work") as result:
        found = quantiles(result, "price", [0.01, 0.5, 0.99])["train"]
        assert found == pytest.approx(np.quantile(prices, [0.01, 0.5, 0.99]), rel=0.02)
        median = quantiles(result, "text_length", [0.5])["all"][0]
        assert median == pytest.approx(np.median([row["text_length"] for row in rows]), abs=1)
        few = quantiles(result, "CASE WHEN _row % 10 = 0 THEN 3 ELSE 1700000000 END", [0.05, 0.5])
        assert few["all"] == [3, 1700000000]
        assert quantiles(result, "NULL", [0.5]) == {}


def test_distances_go_from_0_to_1() -> None:
    a, b = np.array([10, 20, 0]), np.array([0, 0, 5])
    assert jensen_shannon(a, a * 2) == 0 and jensen_shannon(a, b) == pytest.approx(1)


def test_what_is_not_finite_is_nothing_in_the_json() -> None:
    assert rounded({"a": [float("nan"), 1.23456789, np.int64(3)]}) == {"a": [None, 1.23457, 3]}
