"""The columns of parts, of results, and of what was rejected."""

from typing import Any

import pyarrow as pa

from litmus.prepare.config import Prepare, in_sql

LONGEST = 10_000  # characters of a rejected record that are kept
TYPES = {
    "text": pa.string(),
    "label": pa.int32(),
    "category": pa.string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "time": pa.timestamp("us"),
    "image": pa.binary(),
}
PROVENANCE = {"_source": pa.string(), "_file": pa.string(), "_row": pa.int64()}
REJECTS = pa.schema({**PROVENANCE, "reason": pa.string(), "detail": pa.string(), "record": pa.string()})
BANDS = pa.schema({"_part": pa.string(), "_position": pa.int64(), "band": pa.int64()})


def fields(recipe: Prepare) -> dict[str, pa.DataType]:
    """The columns of a result, without where its records come from."""
    found: dict[str, pa.DataType] = {}
    for name, column in recipe.columns.items():
        found[name] = TYPES[column.type]
        if column.type == "text":
            found[f"{name}_length"] = pa.int32()
    return found


def part_schema(recipe: Prepare) -> pa.Schema:
    """The same with what the steps that compare records go by: who a record is (`_part`, `_position`), what it says
    (`_key`), where it goes (`_order`, `_bucket`, from 0 to below 1), and how large it is."""
    more = {"_part": pa.string(), "_position": pa.int64(), "_split": pa.string(), "_key": pa.binary()}
    numbers = {"_order": pa.int64(), "_bucket": pa.float64(), "_bytes": pa.int64()}
    return pa.schema({**fields(recipe), **PROVENANCE, **more, **numbers})


def named(rows: Any) -> Any:
    """A table or batch with its columns called as in SQL, but for the steps' own."""
    return rows.rename_columns([name if name.startswith("_") else in_sql(name) for name in rows.schema.names])


def table_schema(recipe: Prepare, table: str) -> pa.Schema:
    """The columns of the result that a table has, those that it is looked up by, and where they stand."""
    wanted = table_columns(recipe, table)
    types = {name: TYPES[recipe.columns[name].type] for name in wanted}
    return pa.schema({**types, **PROVENANCE, "_part": pa.string(), "_position": pa.int64()})


def table_columns(recipe: Prepare, table: str) -> list[str]:
    """Names of the columns that are read of a table."""
    taken = {name: column for name, column in recipe.columns.items() if column.table == table}
    return [*dict.fromkeys(str(column.key) for column in taken.values()), *taken]
