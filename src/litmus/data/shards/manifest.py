"""What `litmus prepare` says of the shards that it wrote, in their manifest.json: read and checked.

A configuration asks for facts here, so nothing heavy is imported.
"""

import functools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

FORMAT = 1  # of what is read here
LARGEST = 1 << 28  # bytes of a manifest
MOST = 1 << 50  # rows, or bytes
SIDE = 1 << 20  # pixels
KINDS = ("text", "image", "table")
STEMS = {"text": "text", "image": "image", "table": "series"}
Pair = tuple[float, float]  # mean and standard deviation


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of rows, by its path under the manifest's folder."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Split:
    """Rows in shards, one after the other."""

    fingerprint: str
    shards: tuple[Shard, ...]

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.shards)


@dataclass(frozen=True)
class Manifest:
    """A prepared data set.

    Attributes:
        path: Folder or URL that it stands in.
        kind: Of its inputs: `text`, `image` or `table`.
        inputs: Columns: of a text or an image one, of a table the numbers.
        classes: A name for each label; None where the target is a number, or there is none.
        block_rows: Rows that are read at once.
        statistics: Mean and standard deviation of the numeric columns in training.
        splits: `train`, and `validation` and `test` where they have rows.
    """

    path: str
    name: str
    kind: str
    inputs: tuple[str, ...]
    target: str | None
    classes: tuple[str, ...] | None
    image_shape: tuple[int, ...] | None
    block_rows: int
    statistics: dict[str, Pair]
    splits: dict[str, Split]


def is_url(path: str) -> bool:
    """Whether fsspec has to look for it, or it is a folder here."""
    return "://" in path


def read_manifest(path: str) -> Manifest:
    """The manifest of prepared data, read once for each state of the file.

    Args:
        path: A folder, or a URL that fsspec knows.

    Raises:
        ValueError: If there is none, or it is damaged, or of another format.
    """
    if "::" in path:
        raise ValueError(f"data.path={path} is a chain of file systems: give a folder, or one URL")
    if is_url(path):
        return _read(path, 0, 0)
    if not Path(path).exists():
        raise ValueError(f"data.path={path} does not exist: give a folder that litmus prepare has left")
    file = Path(path, "manifest.json")
    if not file.is_file():
        raise ValueError(f"data.path={path} has no manifest.json, so it is not prepared: litmus prepare makes such one")
    return _read(path, file.stat().st_size, file.stat().st_mtime_ns)


def manifests_of(path: Any) -> list[Manifest]:
    """Those of one path, or of several whose data are mixed.

    Raises:
        ValueError: If there is no path, or the data do not go together.
    """
    paths = [path] if isinstance(path, str) else path
    if path is None or not isinstance(paths, Sequence) or not paths:
        raise ValueError("data=shards needs data.path=FOLDER, or [FOLDER,FOLDER], as litmus prepare leaves them")
    found = [read_manifest(str(one)) for one in paths]
    first = found[0]
    for other in found[1:]:
        for fact in ("kind", "classes", *(("inputs",) if first.kind == "table" else ())):
            here, there = getattr(first, fact), getattr(other, fact)
            if here != there:
                raise ValueError(
                    f"{first.path} and {other.path} can't be mixed, their {fact} differ: {_short(here)} and "
                    f"{_short(there)}"
                )
    return found


def shard_fact(name: str, path: Any) -> Any:
    """What a configuration asks for: a fact of the data at a path, or several; None where they have no such thing.

    Raises:
        ValueError: For what can't be read.
    """
    first = manifests_of(path)[0]
    facts = {
        "kind": first.kind,
        "stem": STEMS[first.kind],
        "image_shape": None if first.image_shape is None else list(first.image_shape),
        "classes": None if first.classes is None else list(first.classes),
        "targets": 1 if first.classes is None and first.target is not None else None,
        "columns": list(first.inputs) if first.kind == "table" else None,
    }
    return facts[name]


@functools.lru_cache(maxsize=64)
def _read(path: str, size: int, changed: int) -> Manifest:
    where = f"{path.rstrip('/')}/manifest.json"
    try:
        content = json.loads(_bytes(where))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is not JSON, prepare the data again: {str(error)[:200]}") from error
    given = _Object(content, where)
    if given.node.get("format") != FORMAT:
        raise ValueError(
            f"{where} is of format {_short(given.node.get('format'))}, and this version reads {FORMAT}: prepare the "
            "data again"
        )
    kind = given.get("kind", lambda value: value in KINDS, " or ".join(KINDS))
    inputs = given.get("inputs", _names, "a list of columns")
    if kind != "table" and len(inputs) != 1:
        raise ValueError(f"{where}: inputs are {_short(inputs)}, and data of {kind}s have one")
    classes = given.get("classes", lambda value: value is None or _names(value), "a list of names, or null")
    shape = given.get("image_shape", _shape if kind == "image" else lambda value: True, "[1 or 3, height, width]")
    target = given.get("target", lambda value: value is None or _name(value), "a column, or null")
    if target in inputs or (classes is not None and target is None):
        raise ValueError(f"{where}: target is {_short(target)}, which does not fit its inputs and classes")
    statistics = _Object(given.get("statistics", lambda value: isinstance(value, dict), "an object"), where)
    splits = _Object(given.get("splits", lambda value: isinstance(value, dict), "an object"), where)
    read = {name: _split(splits, name, where) for name in ("train", "validation", "test") if name in splits.node}
    if "train" not in read or not read["train"].shards:
        raise ValueError(f"{where} has no training shards: prepare the data again")
    return Manifest(
        path=path,
        name=given.get("name", _name, "a name"),
        kind=kind,
        inputs=tuple(inputs),
        target=target,
        classes=None if classes is None else tuple(classes),
        image_shape=tuple(shape) if kind == "image" else None,
        block_rows=given.get("block_rows", lambda value: _whole(value, 1, 1 << 31), "a number of rows"),
        statistics={name: _statistics(statistics, name, where) for name in statistics.node},
        splits={name: split for name, split in read.items() if split.shards},
    )


def _opened(where: str) -> Any:
    if not is_url(where):
        return open(where, "rb")
    import fsspec

    return fsspec.open(where, "rb")


def _bytes(where: str) -> bytes:
    try:
        with _opened(where) as file:
            content = bytes(file.read(LARGEST + 1))
    except Exception as error:  # every kind of store has its own
        raise ValueError(f"{where} can't be read: {str(error) or type(error).__name__}") from error
    if len(content) > LARGEST:
        raise ValueError(f"{where} is not read: it is larger than {LARGEST:,} bytes")
    return content


class _Object:
    """A JSON object, whose values are held against what they should be."""

    def __init__(self, node: Any, where: str) -> None:
        if not isinstance(node, dict):
            raise ValueError(f"{where} holds {_short(node)} where an object should be: prepare the data again")
        self.node, self.where = node, where

    def get(self, key: str, holds: Callable[[Any], bool], what: str) -> Any:
        if key not in self.node:
            raise ValueError(f"{self.where} lacks {key}: prepare the data again")
        if not holds(self.node[key]):
            raise ValueError(f"{self.where}: {key} is {_short(self.node[key])}, not {what}: prepare the data again")
        return self.node[key]


def _split(splits: _Object, name: str, where: str) -> Split:
    given = _Object(splits.node[name], f"{where}: splits.{name}")
    shards = tuple(
        _shard(_Object(item, f"{given.where}: shards[{number}]"))
        for number, item in enumerate(given.get("shards", lambda value: isinstance(value, list), "a list"))
    )
    split = Split(given.get("fingerprint", lambda value: _hexadecimal(value, 16), "16 hexadecimal digits"), shards)
    rows = given.get("rows", lambda value: _whole(value, 0, MOST), "a number of rows")
    if split.rows != rows:
        raise ValueError(f"{given.where} has {rows} rows, and its shards have {split.rows}: prepare the data again")
    if len({shard.file for shard in shards}) < len(shards):
        raise ValueError(f"{given.where} names a shard twice: prepare the data again")
    return split


def _shard(given: _Object) -> Shard:
    return Shard(
        file=given.get("file", _inside, "a path inside of the folder"),
        rows=given.get("rows", lambda value: _whole(value, 1, MOST), "a number of rows"),
        bytes=given.get("bytes", lambda value: _whole(value, 1, MOST), "a number of bytes"),
        sha256=given.get("sha256", lambda value: _hexadecimal(value, 64), "64 hexadecimal digits"),
    )


def _statistics(statistics: _Object, name: str, where: str) -> Pair:
    given = _Object(statistics.node[name], f"{where}: statistics.{_short(name)}")
    mean = given.get("mean", _finite, "a number")
    return mean, given.get("std", lambda value: _finite(value) and value >= 0, "a number from 0 on")


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= MOST if isinstance(value, int) else math.isfinite(value)


def _hexadecimal(value: Any, digits: int) -> bool:
    return isinstance(value, str) and len(value) == digits and set(value) <= set("0123456789abcdef")


def _name(value: Any) -> bool:
    """Whether it can be printed, and be in a file."""
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value and not any(map(_is_surrogate, value))


def _is_surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def _names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_name, value)) and len(set(value)) == len(value)


def _shape(value: Any) -> bool:
    if not (isinstance(value, list) and len(value) == 3 and all(_whole(side, 1, SIDE) for side in value)):
        return False
    return value[0] in (1, 3)


def _inside(value: Any) -> bool:
    return _name(value) and "\\" not in value and ":" not in value and not {"..", "/"} & set(PurePosixPath(value).parts)


def _short(value: Any) -> str:
    """A value in a sentence."""
    text = ascii(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."
