"""A result folder as tables of DuckDB: `rows` (all splits), `rejects`; and the kind of each column."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from litmus.prepare.config import NUMERIC
from litmus.prepare.engine import connect, parquet, quoted
from litmus.prepare.schema import REJECTS

MEMORY = "1GB"  # where the manifest names none


class Result:
    """What was prepared. SQL runs in one thread, so that sums and sketches come out the same every time.

    Args:
        folder: With a manifest.json.
        work: For what does not fit into memory; it is emptied, and removed at the end.
    """

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder, self.work = folder, work
        self.manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        self.splits = [name for name, split in self.manifest["splits"].items() if split["rows"]]
        self.schema = pq.read_schema(self.shards(self.splits[0])[0])
        self.columns = {name: self._kind(name) for name in self.schema.names if not self._is_beside(name)}
        self.target: str | None = self.manifest["target"]
        self.input: str = self.manifest["inputs"][0]
        self.numbers = [name for name in self.manifest["inputs"] if self.columns[name] in NUMERIC]
        self.database = connect(work, self.manifest.get("recipe", {}).get("memory", MEMORY), threads=1)
        self._views()

    def __enter__(self) -> "Result":
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()
        shutil.rmtree(self.work, ignore_errors=True)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """A small result of a query."""
        return self.database.execute(query).fetchall()

    def shards(self, split: str) -> list[Path]:
        """Files of a split, in their order."""
        return [self.folder / shard["file"] for shard in self.manifest["splits"][split]["shards"]]

    def count(self, split: str) -> int:
        """Rows of a split."""
        return int(self.manifest["splits"][split]["rows"])

    def names(self, *kinds: str) -> list[str]:
        """Columns of some kinds."""
        return [name for name, kind in self.columns.items() if kind in kinds]

    @property
    def has_classes(self) -> bool:
        """Whether the target is one of several classes."""
        return self.target is not None and self.columns[self.target] in ("label", "category")

    def said(self, label: Any) -> str:
        """The name of a class."""
        if isinstance(label, int) and self.target and self.columns[self.target] == "label":
            return str(self.manifest["classes"][label])
        return str(label)

    def _is_beside(self, name: str) -> bool:
        """Provenance, and the length of a text."""
        return name.startswith("_") or (name.endswith("_length") and self._has_length(name.removesuffix("_length")))

    def _has_length(self, name: str) -> bool:
        return name in self.schema.names and pa.types.is_string(self.schema.field(name).type)

    def _kind(self, name: str) -> str:
        kind = self.schema.field(name).type
        if name == self.manifest["target"] and kind == pa.int32():
            return "label"
        if pa.types.is_string(kind):
            return "text" if f"{name}_length" in self.schema.names else "category"
        if pa.types.is_binary(kind):
            return "image"
        if pa.types.is_timestamp(kind):
            return "time"
        return "number" if pa.types.is_floating(kind) else "integer"

    def _views(self) -> None:
        parts = [f"SELECT *, {quoted(split)} AS _split FROM {parquet(self.shards(split))}" for split in self.splits]
        self.database.execute(f"CREATE VIEW rows AS {' UNION ALL '.join(parts)}")
        rejects = sorted(self.folder.glob("rejects/*.parquet"))
        nothing = ", ".join(f"NULL::{'BIGINT' if name == '_row' else 'VARCHAR'} AS {name}" for name in REJECTS.names)
        some = (
            f"SELECT {', '.join(REJECTS.names)} FROM {parquet(rejects)}" if rejects else f"SELECT {nothing} WHERE false"
        )
        self.database.execute(f"CREATE VIEW rejects AS {some}")
