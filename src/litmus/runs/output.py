"""Rows for people and for programs: a table in a terminal, tab-separated values in a pipe, JSON if asked for."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def show(rows: Sequence[Row], as_json: bool) -> None:
    """Prints rows that have the same keys; None is nothing."""
    if as_json:
        print(json.dumps(list(rows), indent=2))
    elif not rows:
        print("none", file=sys.stderr)
    elif sys.stdout.isatty():
        _table(rows)
    else:
        for cells in (list(rows[0]), *([text(value) for value in row.values()] for row in rows)):
            print("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in cells))


def text(value: Any) -> str:
    """A cell."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.5g}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return " ".join(map(text, value)) or "-"
    return str(value)


def _table(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        numbers = all(isinstance(row[name], int | float | None) for row in rows)
        grid.add_column(escape(name), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(escape(text(value)) for value in row.values()))
    Console(highlight=False).print(grid)
