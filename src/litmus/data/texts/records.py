"""Readers of texts with labels: lines, CSV, JSON lines, Parquet, folders. What can't be read is named, not fatal."""

import contextlib
import csv
import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from litmus.data.rows import Broken, CsvRows, Row, check_pyarrow, decode, json_rows, parquet_rows, text_lines

JSON_LINES = (".jsonl", ".ndjson", ".json")
TABLES = (".csv", ".tsv", *JSON_LINES, ".parquet")
LABELS = ("label", "labels", "class", "category", "target", "sentiment", "cat")
TEXTS = ("text", "review", "sentence", "content", "body", "comment", "document")


@dataclass(frozen=True, slots=True)
class Record:
    """One text; `label` is None where there are none, `broken` says why a record can't be used, and `size` is that of a
    line in the file, in characters."""

    where: str
    text: str = ""
    label: str | None = None
    broken: str | None = None
    size: int = 0


@runtime_checkable
class Reader(Protocol):
    """One of the classes below."""

    def files(self, path: Path) -> list[Path]:
        """The files behind a path, in an order that does not depend on the file system."""

    def read(self, path: Path, encodings: Sequence[str]) -> Iterator[Record]:
        """Every record, the broken ones too."""


class Lines:
    """Plain text without labels, line by line.

    Args:
        end: What stands for the end of a line; None keeps the line as it is.
    """

    def __init__(self, end: str | None) -> None:
        self.end = end

    def files(self, path: Path) -> list[Path]:
        return [path]

    def read(self, path: Path, encodings: Sequence[str]) -> Iterator[Record]:
        for record in _lines(path, encodings):
            text = record.text if self.end is None else f"{record.text.strip()} {self.end} "
            yield Record(record.where, text, broken=record.broken, size=len(record.text))


class LabelledLines:
    """`label text` on each line."""

    def files(self, path: Path) -> list[Path]:
        return [path]

    def read(self, path: Path, encodings: Sequence[str]) -> Iterator[Record]:
        for record in _lines(path, encodings):
            label, found, text = record.text.strip().partition(" ")
            if record.broken or not label:
                yield record if record.broken else Record(record.where, broken="an empty line")
            else:
                yield Record(record.where, text, label) if found else Record(record.where, "", label)


class Table:
    """CSV, TSV, JSON lines or Parquet, by the file's suffix.

    Args:
        text: Columns that make up the text, one after the other.
        label: Column of the label; None if there is none.
        header: Names of the columns, where the file does not begin with them.
    """

    def __init__(self, text: Sequence[str], label: str | None, header: Sequence[str] | None) -> None:
        self.text, self.label, self.header = list(text), label, header

    def files(self, path: Path) -> list[Path]:
        return [path]

    def read(self, path: Path, encodings: Sequence[str]) -> Iterator[Record]:
        wanted = [*self.text, *([] if self.label is None else [self.label])]
        for where, row in _rows(path, encodings, self.header, wanted):
            if isinstance(row, str):
                yield Record(where, broken=row)
                continue
            values = [row.get(column) for column in wanted]
            lacking = [column for column, value in zip(wanted, values, strict=True) if value is None]
            if self.label is not None and not str(values[-1] if values[-1] is not None else "").strip():
                lacking = [self.label]
            if lacking:
                yield Record(where, broken=f"no {lacking[0]}")
            else:
                text = " ".join(str(value) for value in values[: len(self.text)])
                yield Record(where, text, None if self.label is None else str(values[-1]))


class Folders:
    """A folder a class, a file a text.

    Args:
        only: Names of the folders to read; None for all.
    """

    def __init__(self, only: Sequence[str] | None) -> None:
        self.only = None if only is None else list(only)

    def files(self, path: Path) -> list[Path]:
        folders = [folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
        if self.only is not None:
            folders = [folder for folder in folders if folder.name in self.only]
        return sorted(file for folder in folders for file in folder.iterdir())

    def read(self, path: Path, encodings: Sequence[str]) -> Iterator[Record]:
        for file in self.files(path):
            text = decode(file.read_bytes(), encodings)
            if text is None:
                yield Record(str(file), broken=f"not in {' or '.join(encodings)}")
            else:
                yield Record(str(file), text, file.parent.name)


class AnyFormat:
    """Whatever stands at the path: a folder with a folder a class, `.txt` lines with the label first, or a table.

    Args:
        text: Columns of a table that make up the text; None for the one with a usual name, or the only one left.
        label: Column of the label; None for the one with a usual name.
    """

    def __init__(self, text: str | Sequence[str] | None, label: str | None) -> None:
        self.text = [text] if isinstance(text, str) else None if text is None else list(text)
        self.label = label

    def files(self, path: Path) -> list[Path]:
        return Folders(None).files(path) if path.is_dir() else [path]

    def read(self, path: Path, encodings: Sequence[str]) -> Iterator[Record]:
        return self._reader(path, encodings).read(path, encodings)

    def _reader(self, path: Path, encodings: Sequence[str]) -> Reader:
        if path.is_dir():
            return Folders(None)
        if path.suffix not in TABLES:
            return LabelledLines()
        names = [] if self.text and self.label else columns(path, encodings)
        label = self.label or _usual(path, names, LABELS, "label")
        others = [name for name in names if name != label]
        return Table(self.text or [_usual(path, others, TEXTS, "text")], label, None)


def columns(path: Path, encodings: Sequence[str]) -> list[str]:
    """Names of a table's columns; of JSON lines, the keys of the first.

    Raises:
        ValueError: If it has none.
    """
    if path.suffix == ".parquet":
        with open_parquet(path) as file:
            return list(file.schema_arrow.names)
    first = next(_lines(path, encodings), None)
    if first is None or first.broken:
        raise ValueError(f"{path} is {first.broken if first else 'empty'}")
    if path.suffix in JSON_LINES:
        _, row = next(_rows(path, encodings, None, []))
        if isinstance(row, str):
            raise ValueError(f"{path}:1 is {row}: one object a line is needed")
        return list(row)
    try:
        return next(csv.reader([first.text], delimiter=delimiter(path)), [])
    except csv.Error as error:  # such as lines that end as on an old Macintosh
        raise ValueError(f"{path}:1 is not CSV: {error}") from error


def label_names(
    path: str | None, text: str | Sequence[str] | None, label: str | None, encodings: Sequence[str]
) -> list[str]:
    """Every label of the user's own texts, sorted: what `data=text_files` calls its classes.

    Raises:
        ValueError: If there is no such file, or no label in it.
    """
    if path is None:
        raise ValueError("data=text_files needs data.path=FILE: CSV, JSON lines, Parquet, .txt, or a folder of folders")
    if not Path(path).exists():
        raise ValueError(f"data.path={path} does not exist")
    check_encodings(encodings)
    names = text if isinstance(text, str) or text is None else tuple(text)
    return _label_names(path, Path(path).stat().st_mtime_ns, names, label, tuple(encodings))


@functools.cache
def _label_names(
    path: str, changed: int, text: str | tuple[str, ...] | None, label: str | None, encodings: tuple[str, ...]
) -> list[str]:
    """Reads the file once for each state of it: a configuration asks many times."""
    records = AnyFormat(text, label).read(Path(path), encodings)
    found = {record.label for record in records if record.label is not None}
    if not found:
        raise ValueError(f"data.path={path} has no record with a label")
    return sorted(found)


def _usual(path: Path, names: Sequence[str], usual: Sequence[str], key: str) -> str:
    """The column with one of the usual names, or the only one."""
    found = [name for name in names if name.lower() in usual] or names
    if len(found) != 1:
        raise ValueError(
            f"{path} has the columns {', '.join(names)}: give data.{key}={'[COLUMN]' if key == 'text' else 'COLUMN'}"
        )
    return found[0]


def _lines(path: Path, encodings: Sequence[str]) -> Iterator[Record]:
    """Every line with its end."""
    with open(path, "rb") as file:
        for number, line in text_lines(file, encodings):
            where = f"{path}:{number}"
            yield Record(where, broken=line.detail) if isinstance(line, Broken) else Record(where, line)


def _rows(
    path: Path, encodings: Sequence[str], header: Sequence[str] | None, wanted: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """Place and row of a table, or what is wrong with it.

    Raises:
        ValueError: If a wanted column is not there at all, or the suffix is not known.
    """
    if path.suffix == ".parquet":
        with open_parquet(path) as file:
            check_columns(path, file.schema_arrow.names, wanted)
            for number, row in parquet_rows(file, wanted):
                yield f"{path} row {number}", row.detail if isinstance(row, Broken) else row
        return
    if path.suffix not in (".csv", ".tsv", *JSON_LINES):
        raise ValueError(f"{path} is not a .csv, .tsv, .jsonl or .parquet file")
    with open(path, "rb") as stream:
        rows: Iterable[Row]
        if path.suffix in JSON_LINES:
            rows = json_rows(stream, encodings)
        else:
            rows = CsvRows(stream, encodings, delimiter(path), header)
            check_columns(path, rows.columns, wanted)
        for number, row in rows:
            yield f"{path}:{number}", row.detail if isinstance(row, Broken) else row


def delimiter(path: Path) -> str:
    """What stands between the cells of a CSV or TSV file."""
    return "\t" if path.suffix == ".tsv" else ","


@contextlib.contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """A Parquet file.

    Raises:
        ValueError: If it is damaged, which may turn out when its rows are read, or pyarrow is not installed.
    """
    check_pyarrow()
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} can't be read as Parquet: {error}") from error


def check_encodings(encodings: Sequence[str]) -> None:
    """Refuses what Python can't decode.

    Raises:
        ValueError: With the first one.
    """
    if not encodings:
        raise ValueError("data.encodings is empty: give [utf-8]")
    for encoding in encodings:
        try:
            " ".encode(encoding)
        except LookupError as error:
            raise ValueError(f"data.encodings={encoding} is not an encoding: give such as utf-8, latin-1") from error


def check_columns(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    """Refuses a table without the columns that were asked for.

    Raises:
        ValueError: With the columns that are there.
    """
    for column in wanted:
        if column not in names:
            raise ValueError(f"{path} has no column {column}: there is {', '.join(names)}")
