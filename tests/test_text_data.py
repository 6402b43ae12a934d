"""Labelled texts: from files in many formats to padded batches, the vocabulary, the cache, and what can go wrong."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import in_epoch, on_cpu
from hydra.utils import instantiate
from omegaconf import DictConfig

from litmus.data.texts.records import AnyFormat, Folders, LabelledLines, Table, label_names
from litmus.data.texts.text_data import TextData

Compose = Callable[..., DictConfig]
GOOD = "a fine and moving film {}"
BAD = "a dull film , far too long {}"


def write_table(path: Path, count: int = 40, text: str = "review", label: str = "label") -> None:
    """A CSV of two classes whose texts tell them apart."""
    rows = [f"{i % 2},{(GOOD if i % 2 else BAD).format('again ' * (i % 7))}".replace(" ,", "") for i in range(count)]
    path.write_text(f"{label},{text}\n" + "\n".join(rows) + "\n", encoding="utf-8")


def set_up(config: DictConfig) -> TextData:
    data: TextData = on_cpu(instantiate(config.data, _convert_="all"))
    return data


@pytest.fixture
def texts(composed: Compose, tmp_path: Path) -> Callable[..., DictConfig]:
    """`data=text_files` on a small CSV, by words."""

    def function(*overrides: str) -> DictConfig:
        path = tmp_path / "reviews.csv"
        if not path.exists():
            write_table(path)
        defaults = ["data=text_files", f"data.path={path}", f"data_root={tmp_path}/elsewhere", "data.batch_size=4"]
        if not any(override.startswith("tokenizer=") for override in overrides):
            defaults += ["tokenizer=word", "tokenizer.min_count=1"]
        return composed("model=lstm", *defaults, *overrides)

    return function


def records(reader: LabelledLines | Table | Folders | AnyFormat, path: Path) -> list[tuple[str, str | None]]:
    return [(record.text, record.label) for record in reader.read(path, ["utf-8"]) if record.broken is None]


def test_every_format_gives_the_same_records(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    expected = [("so, so good", "pos"), ("很好吃", "pos"), ("bad", "neg")]
    (tmp_path / "a.csv").write_text('\ufefftext,label\n"so, so good",pos\n很好吃,pos\nbad,neg\n', encoding="utf-8")
    (tmp_path / "a.tsv").write_text("label\ttext\npos\tso, so good\npos\t很好吃\nneg\tbad\n", encoding="utf-8")
    lines = [json.dumps({"text": text, "label": label}) for text, label in expected]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "a.txt").write_text("\n".join(f"{label} {text}" for text, label in expected), encoding="utf-8")
    pq.write_table(
        pa.table({"text": [t for t, _ in expected], "label": [la for _, la in expected]}), tmp_path / "a.parquet"
    )
    for index, (text, label) in enumerate(expected):
        (tmp_path / "folders" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "folders" / label / f"{index}.txt").write_text(text, encoding="utf-8")
    for name in ("a.csv", "a.tsv", "a.jsonl", "a.txt", "a.parquet"):
        assert records(AnyFormat(None, None), tmp_path / name) == expected, name
    assert sorted(records(AnyFormat(None, None), tmp_path / "folders")) == sorted(expected)
    assert label_names(str(tmp_path / "a.csv"), None, None, ["utf-8"]) == ["neg", "pos"]


def test_a_broken_record_is_named_and_its_neighbours_are_read(tmp_path: Path) -> None:
    path = tmp_path / "dirty.csv"
    path.write_bytes(b"label,text\n1,fine\n0,too,many\n1,\xff\xfe\n0,good\n1\n")
    found = list(Table(["text"], "label", None).read(path, ["utf-8"]))
    assert [record.text for record in found if record.broken is None] == ["fine", "good"]
    broken = {record.where.rpartition(":")[2]: record.broken for record in found if record.broken}
    assert broken == {"3": "3 fields, not 2", "4": "not in utf-8", "6": "1 fields, not 2"}
    (tmp_path / "dirty.jsonl").write_text('{"text": "a", "label": "x"}\n{"text": \n[1]\n{"label": "x"}\n')
    reasons = [r.broken for r in Table(["text"], "label", None).read(tmp_path / "dirty.jsonl", ["utf-8"])]
    assert reasons[0] is None and str(reasons[1]).startswith("not JSON")
    assert reasons[2:] == ["not a JSON object", "no text"]


def test_encodings_are_tried_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes("1 caf\xe9\n".encode("latin-1") + "0 thé\n".encode())
    assert [r.text.strip() for r in LabelledLines().read(path, ["utf-8", "latin-1"])] == ["café", "thé"]


def test_broken_records_are_counted_or_refused(
    texts: Callable[..., DictConfig], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_table(tmp_path / "reviews.csv")
    with open(tmp_path / "reviews.csv", "a") as file:
        file.write("1,too,many\n" * 8)
    with caplog.at_level(logging.WARNING):
        data = set_up(texts())
    assert caplog.text.count("3 fields, not 2") == 5 and "train: 8 other records are broken" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO):
        set_up(texts())  # from the cache
    assert "train: 8 other records are broken" in caplog.text and "3 fields" not in caplog.text
    assert sum(len(part) for part in data.sets.values()) == 40
    with pytest.raises(ValueError, match=r"reviews.csv:42 can't be read: 3 fields, not 2"):
        set_up(texts("data.broken=refuse"))


def test_batches_hold_every_text_once_with_explicit_padding(texts: Callable[..., DictConfig]) -> None:
    data = set_up(texts())
    seen = []
    for tokens, labels in data.test_dataloader():
        assert tokens.dtype == labels.dtype == torch.int64
        lengths = (tokens != 0).sum(1)
        assert all((row[:length] != 0).all() for row, length in zip(tokens, lengths, strict=True))
        seen += [(data.words(row), int(label)) for row, label in zip(tokens, labels, strict=True)]
    assert len(seen) == len(data.sets["test"]) == 4
    assert all(("dull" in words) == (label == 0) for words, label in seen)


def test_the_vocabulary_is_of_the_training_part_only(texts: Callable[..., DictConfig], tmp_path: Path) -> None:
    rows = [f"{i % 2},word{i} every" for i in range(40)]
    (tmp_path / "reviews.csv").write_text("label,text\n" + "\n".join(rows) + "\n")
    data = set_up(texts())
    assert data.vocabulary is not None
    known = set(data.vocabulary.tokenizer.get_vocab()) - {"[PAD]", "[UNK]", "every"}
    train = {data.words(data.sets["train"][torch.tensor([i])][0][0]).split()[0] for i in range(len(data.sets["train"]))}
    assert known == train and len(train) == 32
    for part in ("val", "test"):
        tokens, _ = data.sets[part][torch.arange(len(data.sets[part]))]
        assert (tokens[:, 0] == 1).all() and (tokens[:, 1] > 1).all()


def test_parts_do_not_depend_on_the_seed_and_folds_cover_everything(texts: Callable[..., DictConfig]) -> None:
    def tested(*overrides: str) -> set[int]:
        return set(set_up(texts("data.test=0.25", *overrides)).sets["test"].chosen.tolist())

    folds = [tested(f"data.fold={fold}") for fold in range(4)]
    assert sorted(index for fold in folds for index in fold) == list(range(40))
    assert tested("seed=5") == folds[0] != tested("data.split_seed=1")


@pytest.mark.parametrize("tokenizer", ["word", "whitespace", "character", "bpe", "wordpiece"])
def test_every_tokenizer_reads_chinese_and_english(
    texts: Callable[..., DictConfig], tmp_path: Path, tokenizer: str
) -> None:
    rows = [f"{i % 2},{'很好吃 味道足 a fine film' if i % 2 else '难吃 太慢 a dull film'}" for i in range(40)]
    (tmp_path / "reviews.csv").write_text("label,text\n" + "\n".join(rows) + "\n", encoding="utf-8")
    data = set_up(texts(f"tokenizer={tokenizer}"))
    tokens, labels = data.sets["train"][torch.arange(8)]
    words = [data.words(row) for row in tokens]
    assert all(("好" in text) == (label == 1) for text, label in zip(words, labels.tolist(), strict=True))
    assert data.vocabulary is not None and len(data.vocabulary) <= 8000


def test_stop_words_of_both_languages_are_left_out(texts: Callable[..., DictConfig], tmp_path: Path) -> None:
    data = set_up(texts("tokenizer.stop_words=[en]"))
    assert "and" not in data.words(data.sets["train"][torch.arange(20)][0].flatten()).split()
    rows = [f"{i % 2},{'我的很好吃' if i % 2 else '你的太难吃'}" for i in range(40)]
    (tmp_path / "reviews.csv").write_text("label,text\n" + "\n".join(rows) + "\n", encoding="utf-8")
    data = set_up(texts("tokenizer=character", "tokenizer.stop_words=[zh]"))
    assert "的" not in data.words(data.sets["train"][torch.arange(20)][0].flatten())
    with pytest.raises(ValueError, match=r"tokenizer.stop_words=klingon is not a language"):
        set_up(texts("tokenizer.stop_words=[klingon]"))


def test_texts_are_tokenised_once_and_again_when_a_file_changes(
    texts: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set_up(texts()).fingerprints
    with monkeypatch.context() as patch:
        patch.setattr(TextData, "_tokenise", lambda *_: pytest.fail("it was tokenised again"))
        assert set_up(texts("seed=3", "data.batch_size=8")).fingerprints == before
    write_table(tmp_path / "reviews.csv", count=42)
    assert set_up(texts()).fingerprints != before


def test_a_long_text_is_cut_and_an_empty_one_kept_and_both_are_said(
    texts: Callable[..., DictConfig], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_table(tmp_path / "reviews.csv", count=39)
    with open(tmp_path / "reviews.csv", "a") as file:
        file.write("0,   \n")
    with caplog.at_level(logging.INFO):
        data = set_up(texts("data.max_length=8"))
    assert "of 40 texts are longer than data.max_length=8 tokens, and cut" in caplog.text
    assert "train: 1 of 40 texts are empty" in caplog.text
    assert max(int(part.lengths.max()) for part in data.sets.values()) == 8
    assert min(int(part.lengths.min()) for part in data.sets.values()) == 1


def test_padding_is_small_and_the_order_a_function_of_seed_and_epoch(composed: Compose, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lengths = np.clip(np.exp(rng.normal(5.2, 0.6, 6000)).astype(int), 5, 256)  # as IMDB's, cut at 256
    path = tmp_path / "long.txt"
    path.write_text("".join(f"{i % 2} {'word ' * length}\n" for i, length in enumerate(lengths)))
    data = set_up(
        composed("model=lstm", "data=text_files", "tokenizer=word", f"data.path={path}", f"data_root={tmp_path}")
    )
    tokens = padded = 0
    for batch, _ in data.train_dataloader():
        tokens, padded = tokens + int((batch != 0).sum()), padded + batch.numel()
    assert padded / tokens < 1.06
    first, again = (torch.cat(list(data.train_dataloader().sampler)) for _ in range(2))
    other = torch.cat(list(in_epoch(data, 1).sampler))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert len(set(first.tolist())) == len(first) == len(data.sets["train"]) // 64 * 64


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data.classes=['0','1','2']"], "the class 2 has no training text"),
        (["data.classes=['0','x']"], r"reviews.csv:\d+: the label 1 is not one of data.labels, which are 0, x"),
        (["data.text=[body]", "data.label=label"], "has no column body: there is label, review"),
        (["data.vocab_size=4", "tokenizer=bpe"], "the tokenizer has 258 tokens and data.vocab_size=4"),
        (["data.padding=1"], "the tokenizer fills batches up with 0 and data.padding=1"),
        (["data.max_length=0"], "data.max_length=0 is not from 1 to"),
        (["data.fold=10"], "data.fold=10 is not one of its folds"),
    ],
)
def test_bad_input_is_one_sentence(texts: Callable[..., DictConfig], overrides: list[str], sentence: str) -> None:
    with pytest.raises(Exception, match=sentence):
        set_up(texts(*overrides))


def test_a_checkpoint_of_other_texts_is_refused(texts: Callable[..., DictConfig], tmp_path: Path) -> None:
    state = set_up(texts()).state_dict()
    write_table(tmp_path / "reviews.csv", count=60, text="text")
    (tmp_path / "reviews.csv").write_text((tmp_path / "reviews.csv").read_text().replace("film", "play"))
    with pytest.raises(ValueError, match="the tokenizer of the checkpoint is not that of"):
        set_up(texts()).load_state_dict(state)


def test_the_columns_can_be_named(texts: Callable[..., DictConfig], tmp_path: Path) -> None:
    rows = [f"{i % 2},a title,{(GOOD if i % 2 else BAD)}".replace(" ,", "") for i in range(40)]
    (tmp_path / "reviews.csv").write_text("label,title,abstract\n" + "\n".join(rows) + "\n")
    with pytest.raises(Exception, match=r"has the columns title, abstract: give data.text=\[COLUMN\]"):
        set_up(texts())
    both = set_up(texts("data.text=[title,abstract]"))
    assert both.words(both.sets["train"][torch.tensor([0])][0][0]).startswith("a title a")
    one = set_up(texts("data.text=abstract"))
    assert not one.words(one.sets["train"][torch.tensor([0])][0][0]).startswith("a title")


def test_odd_csv_is_broken_record_by_record(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(b'label,text\n1,fine\n0,one\rtwo\n,no label\n1,good\n0,"never closed\n')
    found = list(Table(["text"], "label", None).read(path, ["utf-8"]))
    assert [record.text for record in found if record.broken is None] == ["fine", "good"]
    reasons = [record.broken for record in found if record.broken]
    assert reasons[0].startswith("not CSV: new-line") and reasons[1] == "no label" and reasons[2].startswith("not CSV")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("reviews.csv", b"", "reviews.csv is empty"),
        ("reviews.jsonl", b"[\n", "reviews.jsonl:1 is not JSON"),
        ("reviews.parquet", b"nothing", "reviews.parquet can't be read as Parquet"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_one_sentence(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        label_names(str(tmp_path / name), None, None, ["utf-8"])


def test_what_looks_like_a_special_token_is_text(texts: Callable[..., DictConfig]) -> None:
    data = set_up(texts())
    assert data.vocabulary is not None
    ((ids),) = data.vocabulary.encode(["a [PAD] film"])
    assert 0 not in ids and len(ids) == 5


def test_new_texts_are_read_in_the_encodings_of_the_run(texts: Callable[..., DictConfig], tmp_path: Path) -> None:
    data = set_up(texts())
    (tmp_path / "new.txt").write_bytes("a fine film\n\n很好吃\n".encode("gb18030"))
    assert [where for where, _ in data.examples(tmp_path / "new.txt")] == [f"{tmp_path}/new.txt:{n}" for n in (1, 3)]
    (tmp_path / "new.txt").write_bytes(b"a fine film\n\xff\xff\n")
    with pytest.raises(ValueError, match=r"new.txt:2 can't be read: not in utf-8 or gb18030"):
        list(data.examples(tmp_path / "new.txt"))
    with pytest.raises(ValueError, match=r"reviews.csv is a table: give a file with a text on each line"):
        list(data.examples(tmp_path / "reviews.csv"))


def test_what_a_killed_process_left_of_the_tokens_is_built_anew(texts: Callable[..., DictConfig]) -> None:
    data = set_up(texts())
    (folder,) = data.cache.iterdir()
    folder.rename(data.cache / f".building-{folder.name}")
    (data.cache / f".building-{folder.name}" / "train" / "ids.bin").write_bytes(b"half")
    again = set_up(texts())
    assert again.fingerprints == data.fingerprints and list(data.cache.iterdir()) == [folder]
