"""Numbers out of the named columns of a CSV, TSV or Parquet table.

A configuration asks for names of columns and classes here, so nothing heavy is imported before there are numbers.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litmus.data.texts.records import check_columns, columns, delimiter, open_parquet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EMPTY = ("", "na", "n/a", "nan", "null", "none", "?")  # how tables write a value that is not there


def read_numbers(path: Path, names: Sequence[str], gaps: bool) -> "NDArray[np.float32]":
    """The columns `names` as an array [rows, columns], NaN where a cell is empty.

    Args:
        gaps: Whether cells may be empty or infinite.

    Raises:
        ValueError: For a column that is not there, a cell that is no number, or a table without rows.
    """
    import numpy as np

    rows = []
    for where, cells in read_cells(path, names):
        row = parse(cells, where, names)
        if not gaps and not all(map(math.isfinite, row)):
            column = next(index for index, number in enumerate(row) if not math.isfinite(number))
            raise ValueError(f"{where}: {names[column]} is {cells[column] or 'empty'}: mend it, or leave the row out")
        rows.append(row)
    return np.array(rows, np.float32)


def parse(cells: Sequence[Any], where: str, names: Sequence[str]) -> list[float]:
    """The numbers of a row, NaN for an empty cell.

    Raises:
        ValueError: For a cell that is no number, by its name.
    """
    try:
        return [float(cell) for cell in cells]
    except (TypeError, ValueError):
        return [_number(cell, where, name) for cell, name in zip(cells, names, strict=True)]


def as_floats(numbers: Sequence[float | None]) -> "NDArray[np.float32]":
    """An array [count], NaN for None; what single precision can't hold is infinite."""
    import numpy as np

    with np.errstate(over="ignore"):
        return np.array([math.nan if number is None else number for number in numbers], float).astype(np.float32)


def read_words(path: Path, name: str) -> list[str]:
    """One column as it stands, such as the names of classes.

    Raises:
        ValueError: For an empty cell.
    """
    words = []
    for where, (cell,) in read_cells(path, [name]):
        words.append("" if cell is None else str(cell).strip())
        if not words[-1]:
            raise ValueError(f"{where}: {name} is empty: mend it, or leave the row out")
    return words


def read_cells(path: Path, names: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    """Place and cells of every row, in the columns `names`.

    Raises:
        ValueError: For a column that is not there, a row of another width, or a table without rows.
    """
    header = header_of(path)
    check_columns(path, header, names)
    empty = True
    for where, cells in _parquet_cells(path, names) if path.suffix == ".parquet" else _csv_cells(path, header, names):
        empty = False
        yield where, cells
    if empty:
        raise ValueError(f"{path} has no rows")


def read_lines(path: Path, count: int) -> Iterator[tuple[str, list[str]]]:
    """Place and cells of every line of a CSV without a header.

    Raises:
        ValueError: For a line that has not `count` cells.
    """
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader(file)
        for cells in filter(None, lines):
            where = f"{path}:{lines.line_num}"
            if len(cells) != count:
                raise ValueError(f"{where} has {len(cells)} cells, and an example has {count}")
            yield where, cells


def header_of(path: Path) -> list[str]:
    """Names of a table's columns.

    Raises:
        ValueError: If there is no such table.
    """
    if not path.is_file():
        raise ValueError(f"{path} does not exist: give the path of a CSV, TSV or Parquet table")
    if path.suffix not in (".csv", ".tsv", ".parquet"):
        raise ValueError(f"{path} is not a .csv, .tsv or .parquet table")
    names = columns(path, ["utf-8"])
    if not names:
        raise ValueError(f"{path} is empty: its first line should name the columns")
    return names


def input_columns(path: str | None, target: str | None) -> list[str]:
    """Every column of the user's own table but the target.

    Raises:
        ValueError: If there is no such table or column.
    """
    if path is None:
        raise ValueError("data=table needs data.path=FILE, a CSV, TSV or Parquet table, and data.target=COLUMN")
    names = header_of(Path(path))
    if target is None:
        raise ValueError(f"data=table needs data.target=COLUMN, one of {', '.join(names)}")
    check_columns(Path(path), names, [target])
    return [name for name in names if name != target]


def target_classes(path: str | None, target: str | None, task: str) -> list[str] | None:
    """The different values of the target, sorted, if the task is classification; None for numbers."""
    input_columns(path, target)
    if task != "classification" or path is None or target is None:
        return None
    state = Path(path).stat()
    return list(_different(path, target, state.st_size, state.st_mtime_ns))


def numeric_columns(path: str | None) -> list[str]:
    """The columns whose first value is a number.

    Raises:
        ValueError: If there is no such table, or no numbers in it.
    """
    if path is None:
        raise ValueError("data=series_file needs data.path=FILE, a CSV, TSV or Parquet table with a row a step")
    names = header_of(Path(path))
    first: dict[str, Any] = {}
    for _, cells in read_cells(Path(path), names):
        first |= {name: cell for name, cell in zip(names, cells, strict=True) if name not in first and not _empty(cell)}
        if len(first) == len(names):
            break
    found = [name for name in names if name in first and _value(first[name]) is not None]
    if not found:
        raise ValueError(f"{path} has no column of numbers: there is {', '.join(names)}")
    return found


@cache
def _different(path: str, name: str, *state: int) -> tuple[str, ...]:
    """Read once for each state of the file, as a configuration asks often."""
    words = set(read_words(Path(path), name))
    return tuple(sorted(words) if None in map(_value, words) else sorted(words, key=float))


def _csv_cells(path: Path, header: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    places = [header.index(name) for name in names]
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader(file, delimiter=delimiter(path))
        next(lines)
        for cells in lines:
            if len(cells) == len(header):
                yield f"{path}:{lines.line_num}", [cells[place] for place in places]
            elif cells:
                raise ValueError(f"{path}:{lines.line_num}: {len(cells)} cells, and the header has {len(header)}")


def _parquet_cells(path: Path, names: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    row = 0
    with open_parquet(path) as file:
        for batch in file.iter_batches(columns=list(names)):
            for values in batch.to_pylist():
                row += 1
                yield f"{path} row {row}", [values[name] for name in names]


def _number(cell: Any, where: str, name: str) -> float:
    number = math.nan if _empty(cell) else _value(cell)
    if number is None:
        raise ValueError(f"{where}: {name} is {cell!r}, not a number: make it one, or choose other data.columns")
    return number


def _empty(cell: Any) -> bool:
    return cell is None or str(cell).strip().lower() in EMPTY


def _value(cell: Any) -> float | None:
    """The number that a cell is, if it is one."""
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None
