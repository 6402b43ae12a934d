"""Data files as they arrive: cut short, flipped, in other encodings, of other shapes, or not files at all."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from conftest import on_cpu
from fakes import FAKES, WORDS, sentences, write_csv, write_folder
from hypothesis import strategies as st
from omegaconf import DictConfig

from litmus.build import build_data, build_module
from litmus.callbacks.word_vectors import WordVectors
from litmus.data.series.mnist1d import Mnist1d

ENCODINGS = ["utf-16", "utf-16-le", "latin-1", "cp1252", "utf-8-sig", "gb18030", "utf-32", "big5"]
CELLS = [
    "",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "1e39",
    "-1",
    "?",
    "abc",
    '"',
    "a,b",
    "\0",
    "é日本",
    "0x1f",
    "1" * 400,
    "x" * 200_000,
]


def write_lines(root: Path) -> list[str]:
    (root / "reviews.txt").write_text("\n".join(f"{label} {text}" for label, text in sentences(40, 2)) + "\n")
    return [f"data.path={root}/reviews.txt"]


def write_json_lines(root: Path) -> list[str]:
    lines = [json.dumps({"label": f"class{label}", "text": f"{text} é日本"}) for label, text in sentences(40, 2)]
    (root / "reviews.jsonl").write_text("\n".join(lines) + "\n")
    return [f"data.path={root}/reviews.jsonl"]


def write_tsv(root: Path) -> list[str]:
    (root / "reviews.tsv").write_text(
        "label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in sentences(40, 2))
    )
    return [f"data.path={root}/reviews.tsv"]


def write_text_folder(root: Path) -> list[str]:
    for index, (label, text) in enumerate(sentences(20, 2)):
        (root / "texts" / f"class{label}").mkdir(parents=True, exist_ok=True)
        (root / "texts" / f"class{label}" / f"{index}.txt").write_text(text)
    return [f"data.path={root}/texts"]


def write_parquet(path: Path, columns: dict[str, list[object]]) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def write_text_parquet(root: Path) -> list[str]:
    labels, texts = zip(*sentences(40, 2), strict=True)
    write_parquet(root / "reviews.parquet", {"label": [str(label) for label in labels], "text": list(texts)})
    return [f"data.path={root}/reviews.parquet"]


def write_number_parquet(root: Path) -> list[str]:
    numbers: list[object] = [index / 7 for index in range(60)]
    write_parquet(root / "table.parquet", {"a": numbers, "b": numbers[::-1], "price": numbers})
    return [f"data.path={root}/table.parquet", "data.target=price"]


def write_series_parquet(root: Path) -> list[str]:
    write_parquet(root / "series.parquet", {"x": [float(index % 9) for index in range(400)]})
    return [f"data.path={root}/series.parquet", "data.length=24", "data.horizon=8"]


def write_classes(root: Path) -> list[str]:
    write_csv(root / "table.csv", [("a", "b", "kind"), *((i, -i, "even" if i % 2 else "odd") for i in range(60))])
    return [f"data.path={root}/table.csv", "data.target=kind", "task=classification"]


def write_split_images(root: Path) -> list[str]:
    for split in ("train", "test"):
        write_folder(root / "images" / split)
    return [f"data.root={root}/images"]


def write_mnist1d(root: Path) -> list[str]:
    Mnist1d(shuffled=False).prepare(root)
    return []


def write_vectors(root: Path) -> list[str]:
    made = FAKES["trec"](root)
    lines = [f"{word} {' '.join(['0.5'] * 8)}" for word in (*WORDS, "the")]
    (root / "glove.vec").write_text("\n".join(lines) + "\n")
    return [
        *made,
        "stem.grid.width=8",
        "callbacks=[default,word_vectors]",
        f"callbacks.word_vectors.path={root}/glove.vec",
    ]


KINDS: dict[str, tuple[str, Callable[[Path], list[str]]]] = {  # what is damaged: its data set, and who writes it
    name: (name, FAKES[name])
    for name in (
        "20newsgroups", "ag_news", "cifar10", "cifar100", "etth1", "fashion_mnist", "image_folder", "imdb", "mnist",
        "ptb", "series_file", "shards", "sst2", "table", "text_files", "tinyshakespeare", "trec", "ucr",
    )
} | {
    "shards of numbers": ("shards", FAKES["shards of numbers"]),
    "shards of texts": ("shards", FAKES["shards of texts"]),
    "mnist1d": ("mnist1d", write_mnist1d),
    "class table": ("table", write_classes),
    "image splits": ("image_folder", write_split_images),
    "label lines": ("text_files", write_lines),
    "JSON lines": ("text_files", write_json_lines),
    "TSV": ("text_files", write_tsv),
    "text folders": ("text_files", write_text_folder),
    "text Parquet": ("text_files", write_text_parquet),
    "table Parquet": ("table", write_number_parquet),
    "series Parquet": ("series_file", write_series_parquet),
    "word vectors": ("trec", write_vectors),
}  # fmt: skip


@st.composite
def damage(draw: st.DrawFn) -> Callable[[Path], None]:
    """One way to harm a file, whatever is in it."""
    place, other = draw(st.floats(0, 1)), draw(st.floats(0, 1))
    byte = draw(st.integers(1, 255))
    count = draw(st.integers(1, 8))
    encoding, cell = draw(st.sampled_from(ENCODINGS)), draw(st.sampled_from(CELLS))
    fragment = draw(st.binary(max_size=20))

    def at(size: int, share: float = place) -> int:
        return min(int(share * size), max(size - 1, 0))

    def flip(data: bytes) -> bytes:
        changed = bytearray(data)
        for index in range(count if data else 0):
            changed[(at(len(data)) * (index + 1)) % len(data)] ^= byte
        return bytes(changed)

    def insert(data: bytes, piece: bytes) -> bytes:
        return data[: at(len(data))] + piece + data[at(len(data)) :]

    def recode(data: bytes) -> bytes:
        return data.decode("utf-8", "replace").encode(encoding, "replace")

    def on_lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
        return lambda data: b"".join(change(data.splitlines(keepends=True)))

    def on_cell(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True) or [b"\n"]
        for mark in (b",", b"\t", b":", b" "):
            parts = lines[at(len(lines))].split(mark)
            if len(parts) > 1:
                parts[at(len(parts), other)] = cell.encode()
                lines[at(len(lines))] = mark.join(parts)
                break
        return b"".join(lines)

    contents: dict[str, Callable[[bytes], bytes]] = {
        "cut": lambda data: data[: at(len(data))],
        "beginning cut": lambda data: data[at(len(data)) :],
        "flipped": flip,
        "flipped head": lambda data: flip(data[:64]) + data[64:],
        "piece": lambda data: insert(data, fragment),
        "NULs": lambda data: insert(data, b"\0" * count),
        "empty": lambda data: b"",
        "recoded": recode,
        "recoded in part": lambda data: data[: at(len(data))] + recode(data[at(len(data)) :]),
        "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
        "CR": lambda data: data.replace(b"\n", b"\r"),
        "one line": lambda data: data.replace(b"\n", b" "),
        "long line": lambda data: insert(data, b"x" * 1_000_000),
        "first line": on_lines(lambda lines: lines[:1]),
        "two lines": on_lines(lambda lines: lines[:2]),
        "no first line": on_lines(lambda lines: lines[1:]),
        "empty lines": on_lines(lambda lines: [piece for line in lines for piece in (line, b"\n")]),
        "line twice": on_lines(lambda lines: [*lines, *lines[at(len(lines)) :][:1]]),
        "no commas": lambda data: data.replace(b",", b""),
        "more commas": lambda data: insert(data, b"," * count),
        "quotes": lambda data: insert(data, b'"'),
        "twice": lambda data: data * 2,
        "zeros": lambda data: bytes(len(data)),
        "zipped": gzip.compress,
        "noise": lambda data: fragment * 50,
    } | {f"cell {index}": on_cell for index in range(10)}
    name = draw(st.sampled_from([*contents, "folder", "missing", "link to nothing", "unreadable"]))

    def harm(path: Path) -> None:
        if name in contents:
            path.write_bytes(contents[name](path.read_bytes()))
            return
        path.unlink()
        if name == "folder":
            path.mkdir()
        elif name == "link to nothing":
            path.symlink_to("nothing")
        elif name == "unreadable":
            path.symlink_to("/proc/self/mem")

    harm.__name__ = f"{name} at {place:.3f}, {byte}, {count}, {encoding}, {cell[:10]!r}, {fragment!r}"
    return harm


def files_in(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and path.name != ".overrides")


def restored(kept: Path, live: Path) -> None:
    """The files as they were made up, and no cache of what was made of others."""
    shutil.rmtree(live, ignore_errors=True)
    shutil.copytree(kept, live)


def read_all(config: DictConfig) -> None:
    """Reads every batch of a data set, and holds it against what is declared."""
    data, facts = on_cpu(build_data(config)), config.data
    data.setup("test")
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        for batch in loader:
            inputs, targets = data.on_after_batch_transfer(batch, 0)
            for part in (inputs, targets):
                assert part.isfinite().all() if part.is_floating_point() else (part >= -100).all()
            if facts.get("vocab_size"):
                assert inputs.min() >= 0 and inputs.max() < facts.vocab_size
            if getattr(data, "classes", None):
                assert targets.min() >= 0 and targets.max() < len(data.classes)
    if "word_vectors" in config.callbacks:
        module = build_module(config)
        vectors = config.callbacks.word_vectors
        trainer: Any = SimpleNamespace(datamodule=data)
        WordVectors(vectors.path, vectors.frozen).setup(trainer, module, "fit")
        assert all(parameter.isfinite().all() for parameter in module.parameters())
