"""The records of a piece: rows are read leniently, brought to the recipe's columns and cleaned, or rejected."""

import contextlib
import hashlib
import io
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from litmus.data.rows import Broken, CsvRows, Row, file_row, json_rows, parquet_rows
from litmus.prepare.clean import IGNORED
from litmus.prepare.config import Prepare, Source, inputs
from litmus.prepare.schema import LONGEST, table_columns
from litmus.prepare.sources import COMPRESSED, File, Piece, format_of
from litmus.prepare.values import Convert, RejectedError, converter, plain

BATCH = 1000  # records that are held at once, at most
HELD = 32 << 20  # bytes of records that are held at once, or a little more
DELIMITERS = {"csv": ",", "tsv": "\t"}


class PieceReader:
    """The records of a piece in batches, and those that were rejected."""

    def __init__(self, recipe: Prepare, piece: Piece) -> None:
        self.recipe, self.piece = recipe, piece
        self.source: Source = getattr(recipe, piece.group)[piece.source]
        if piece.group == "tables":
            self.names = table_columns(recipe, piece.source)
        else:
            self.names = [name for name, column in recipe.columns.items() if column.table is None]
        self.theirs = {name: self._called(name) for name in self.names if name not in self.source.constants}
        called = [[theirs] if isinstance(theirs, str) else theirs for theirs in self.theirs.values()]
        self.wanted = [column for theirs in called for column in theirs]
        self.converters: dict[str, Convert] = {
            name: converter(
                name,
                recipe.columns[name],
                recipe.clean,
                self.source.values.get(name, {}),
                self.source.factors.get(name, 1.0),
                recipe.image_shape if recipe.pixels else None,
            )
            for name in self.names
        }
        self.required = {name for name in self.names if recipe.columns[name].required}
        self.nulls = frozenset(recipe.nulls)
        self.seen = self.position = 0
        self.rejected: Counter[str] = Counter()
        same = recipe.duplicates
        self.compared = (same.columns if same else None) or inputs(recipe)
        self.ignored = [IGNORED[name] for name in (same.ignore if same else ())]

    def batches(self) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
        """Some records and some rejects at once."""
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        held = 0
        for file in self.piece.files:
            for number, row in self._rows(file):
                self.seen += 1
                where = {"_source": self.piece.source, "_file": file.name, "_row": number}
                try:
                    if isinstance(row, Broken):
                        raise RejectedError(row.reason, row.detail)
                    good.append(self._record(row, where))
                    held += good[-1].get("_bytes", 0)
                except RejectedError as why:
                    self.rejected[why.reason] += 1
                    raw = row.raw if isinstance(row, Broken) else _shown(row)
                    bad.append({**where, "reason": why.reason, "detail": why.detail[:500], "record": raw[:LONGEST]})
                if len(good) >= BATCH or len(bad) >= BATCH or held >= HELD:
                    yield good, bad
                    good, bad, held = [], [], 0
        yield good, bad

    def _record(self, row: dict[str, Any], where: dict[str, Any]) -> dict[str, Any]:
        record: dict[str, Any] = {}
        for name in self.names:
            value = self.source.constants.get(name) if name in self.source.constants else self._value(row, name)
            if value is None or (isinstance(value, str) and value.strip() in self.nulls):
                if name in self.required:
                    raise RejectedError("missing", f"no {name}")
                record[name] = None
                continue
            record[name] = self.converters[name](value)
            if isinstance(record[name], str) and self.recipe.columns[name].type == "text":
                record[f"{name}_length"] = len(record[name])
        if self.piece.group == "sources":
            record |= self._identity(record, where)
        record |= where
        record["_part"], record["_position"] = self.piece.key, self.position
        self.position += 1
        return record

    def _value(self, row: dict[str, Any], name: str) -> Any:
        theirs = self.theirs[name]
        if isinstance(theirs, str):
            return row.get(theirs)
        found = [plain(row[column]) for column in theirs if row.get(column) is not None]
        return " ".join(found) if found else None

    def _identity(self, record: dict[str, Any], where: dict[str, Any]) -> dict[str, Any]:
        """What a record is compared, ordered and split by: hashes, which are the same on every engine."""
        key = hashlib.blake2b(digest_size=16)
        size = 0
        for name in self.compared:
            value = record.get(name)
            content = value if isinstance(value, bytes) else self._reduced(value).encode("utf-8", "surrogatepass")
            key.update(struct.pack("<q", len(content)))
            key.update(content)
        for value in record.values():
            size += len(value) if isinstance(value, str | bytes) else 8
        digest = key.digest()
        place = f"{where['_source']}\0{where['_file']}\0{where['_row']}".encode()
        order = hashlib.blake2b(place, digest_size=8, key=digest).digest()
        by = [record.get(name) for name in self.recipe.split.columns or ()] or [digest.hex()]
        bucket = hashlib.blake2b(repr([self.recipe.split.seed, *by]).encode(), digest_size=8).digest()
        return {
            "_split": self.source.split,
            "_key": digest,
            "_order": int.from_bytes(order, "big", signed=True),
            "_bucket": (int.from_bytes(bucket, "big") >> 11) / (1 << 53),
            "_bytes": size,
        }

    def _reduced(self, value: Any) -> str:
        text = value if isinstance(value, str) else repr(value)
        for function in self.ignored:
            text = function(text)
        return text

    def _called(self, name: str) -> str | list[str]:
        given = self.source.columns.get(name, name)
        return given if isinstance(given, str) else list(given)

    def _rows(self, file: File) -> Iterator[Row]:
        """Every row; a file that ends before its end gives a last, broken one."""
        number = 0
        try:
            for number, row in self._opened(file):
                yield number, row
        except (OSError, EOFError, ValueError, pa.ArrowException) as error:
            yield number + 1, Broken("unreadable", f"{file.name} can't be read further: {error}", "")

    def _opened(self, file: File) -> Iterator[Row]:
        how = format_of(self.source, file.name)
        with _open(file.url, decompress=how != "parquet") as stream:
            if how in ("texts", "images"):
                yield 1, self._whole(stream, file, how)
            elif how == "parquet":
                with pq.ParquetFile(stream) as table:
                    self._check(file, table.schema_arrow.names)
                    yield from parquet_rows(table, self.wanted)
            elif how == "jsonl":
                yield from json_rows(stream, self.source.encodings)
            else:
                rows = CsvRows(stream, self.source.encodings, DELIMITERS[how], self.source.header)
                self._check(file, rows.columns)
                yield from rows

    def _whole(self, stream: BinaryIO, file: File, how: str) -> dict[str, Any] | Broken:
        """A file that is one record: its content, its folder, its name."""
        path = PurePosixPath(file.name)
        about = {"folder": path.parent.name, "name": path.name, "path": file.name}
        if how == "images":
            return {"image": stream.read(), **about}
        text = file_row(stream, self.source.encodings)
        return text if isinstance(text, Broken) else {"text": text, **about}

    def _check(self, file: File, names: list[str]) -> None:
        """Refuses a table that lacks a column altogether: that is a mistake in the recipe, and not in a record."""
        for column in self.wanted:
            if column not in names:
                raise MissingColumnError(
                    f"{file.name} has no column {column}: there is {', '.join(names)}; say in "
                    f"{self.piece.group}.{self.piece.source}.columns what it is called"
                )


class MissingColumnError(Exception):
    """A recipe asks for a column that a file does not have."""


@contextlib.contextmanager
def _open(url: str, decompress: bool) -> Iterator[Any]:
    """A file to read bytes from, directly where it can be: fsspec takes ten times as long as a small file does."""
    path = url.removeprefix("file://")
    if path != url and not (decompress and path.endswith(COMPRESSED)):
        with open(path, "rb") as file:
            yield file
        return
    import fsspec

    with fsspec.open(url, "rb", compression="infer" if decompress else None) as stream:
        yield io.BufferedReader(stream) if url.endswith(".zst") else stream  # zstandard's own has no lines


def _shown(row: dict[str, Any]) -> str:
    return repr({name: value if not isinstance(value, bytes) else f"{len(value)} bytes" for name, value in row.items()})
