"""Lenient readers of rows: CSV, JSON lines, Parquet. What can't be read has its reason, and the rest goes on."""

import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

csv.field_size_limit(1 << 27)

MOST_LINES = 1000  # of one CSV row: a quote that is open for longer was never meant to be one


class Broken(NamedTuple):
    """A row that can't be used: a word for the reason, a sentence about it, and what stands there."""

    reason: str
    detail: str
    raw: str


Row = tuple[int, dict[str, Any] | Broken]  # its line, or its number


def decode(content: bytes, encodings: Sequence[str]) -> str | None:
    """The text in the first encoding that fits."""
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def text_lines(stream: Iterable[bytes], encodings: Sequence[str]) -> Iterator[tuple[int, str | Broken]]:
    """Every line with its end; only \\n ends one."""
    for number, content in enumerate(stream, 1):
        text = decode(content, encodings)
        if text is None:
            yield number, Broken("encoding", f"not in {' or '.join(encodings)}", repr(content))
        else:
            yield number, text.removeprefix("\ufeff") if number == 1 else text


class CsvRows:
    """The rows of a CSV or TSV file as they come, each with the line that it begins on.

    A row that is broken and took the lines after it along, as one with a stray quote does, gives them back: only its
    first line is lost.

    Args:
        header: Names of the columns, where the file does not begin with them.
    """

    def __init__(
        self, stream: Iterable[bytes], encodings: Sequence[str], delimiter: str, header: Sequence[str] | None
    ) -> None:
        self.source = text_lines(stream, encodings)
        self.delimiter = delimiter
        self.given_back: deque[tuple[int, str]] = deque()
        self.taken: list[tuple[int, str]] = []  # lines of the row that is being parsed
        self.undecodable: list[tuple[int, Broken]] = []
        self.columns = list(header) if header else self._names()

    def __iter__(self) -> Iterator[Row]:
        rows, names = self._parser(), self.columns
        while True:
            self.taken.clear()
            error = None
            try:
                cells = next(rows)
            except StopIteration:
                yield from self.undecodable
                return
            except csv.Error as problem:
                error, cells = f"not CSV: {problem}", []
            yield from self.undecodable
            self.undecodable.clear()
            if error is None and cells and len(cells) != len(names):
                error = f"{len(cells)} fields, not {len(names)}"
            if error is not None:
                first, *rest = self.taken
                self.given_back.extendleft(reversed(rest))
                rows = self._parser()
                yield first[0], Broken("malformed", error, first[1].rstrip("\r\n"))
            elif cells:
                yield self.taken[0][0], dict(zip(names, cells, strict=True))

    def _names(self) -> list[str]:
        try:
            return next(self._parser(), [])
        except csv.Error as error:
            raise ValueError(f"the first line is not CSV: {error}") from error

    def _parser(self) -> Iterator[list[str]]:
        return csv.reader(self._lines(), delimiter=self.delimiter, strict=True)

    def _lines(self) -> Iterator[str]:
        while True:
            if self.given_back:
                number, line = self.given_back.popleft()
            else:
                found = next(self.source, None)
                if found is None:
                    return
                if isinstance(found[1], Broken):
                    self.undecodable.append((found[0], found[1]))
                    continue
                number, line = found[0], found[1].replace("\0", "")
            self.taken.append((number, line))
            if len(self.taken) > MOST_LINES:
                raise csv.Error(f"a quote is not closed within {MOST_LINES} lines")
            yield line


def json_rows(stream: Iterable[bytes], encodings: Sequence[str]) -> Iterator[Row]:
    """The objects of JSON lines."""
    for number, line in text_lines(stream, encodings):
        if isinstance(line, Broken):
            yield number, line
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = f"not JSON: {error}" if line.strip() else "an empty line"
            yield number, Broken("malformed", reason, line.rstrip("\r\n"))
        else:
            broken = Broken("malformed", "not a JSON object", line.rstrip("\r\n"))
            yield number, row if isinstance(row, dict) else broken


def check_pyarrow() -> None:
    """Refuses to begin without what reads Parquet.

    Raises:
        ValueError: With how to get it.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise ValueError("Parquet files need pyarrow: pip install 'litmus[parquet]'") from error


def parquet_rows(file: Any, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of an opened `pyarrow.parquet.ParquetFile`."""
    number = 0
    for batch in file.iter_batches(batch_size=4096, columns=list(columns)):
        for values in batch.to_pylist():
            number += 1
            yield number, values


def file_row(stream: BinaryIO, encodings: Sequence[str]) -> str | Broken:
    """A whole file as one text."""
    content = stream.read()
    text = decode(content, encodings)
    return Broken("encoding", f"not in {' or '.join(encodings)}", repr(content[:1000])) if text is None else text
