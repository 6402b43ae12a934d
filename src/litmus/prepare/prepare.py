"""`litmus prepare NAME`: read, compare, split, write, look; the page to read first.

Whatever is killed at whatever moment, the same command goes on: parts that were read are kept, and a result is whole or
not there.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from litmus.data.cache import build_once
from litmus.data.download import only_one
from litmus.folder import flush
from litmus.prepare.account import count, lineage
from litmus.prepare.check import check
from litmus.prepare.compare import Comparison
from litmus.prepare.config import Prepare, inputs, kind
from litmus.prepare.engine import DuckDB, Engine, quoted
from litmus.prepare.read import read_piece
from litmus.prepare.reader import MissingColumnError
from litmus.prepare.sources import FORMAT, NUMBERED, Piece, pieces
from litmus.prepare.write import write_rejects, write_splits

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
OF_ONE_RUN = ("engine", "result", "old")  # beside the parts; left there by one that was killed
NOT_OF_THE_RESULT = ("output", "engine", "memory", "workers", "chunk_megabytes")


def prepare(recipe: Prepare) -> Path:
    """Makes the result of a recipe, if it is not there as it would be made now; returns its folder.

    Raises:
        ValueError: If the recipe makes no sense, a file lacks a column, or there is nothing left.
    """
    check(recipe)
    output = Path(recipe.output).absolute()
    work = output.parent / f".{output.name}"  # parts, kept for the next time; the engine's tables
    with only_one(output):
        todo = pieces(recipe)
        key = _key(recipe, todo)
        for name in OF_ONE_RUN:
            shutil.rmtree(work / name, ignore_errors=True)
        if _key_of(output) == key:
            _forget(work / "parts", {piece.key for piece in todo})
            log.info(f"{output} is as this recipe makes it, and its sources have not changed")
            return output
        engine = start(recipe, work / "engine")
        try:
            facts = read(engine, recipe, todo, work / "parts")
            building = work / "result"
            building.mkdir(parents=True)
            make(engine, recipe, todo, facts, work / "parts", building, key)
        finally:
            engine.close()
        _replace(output, building)
        _forget(work / "parts", {piece.key for piece in todo})
    return output


def start(recipe: Prepare, folder: Path) -> Engine:
    """The engine that a recipe asks for."""
    if recipe.engine == "duckdb":
        return DuckDB(folder, recipe.memory, recipe.workers)
    if recipe.engine == "spark":
        from litmus.prepare.spark import Spark

        return Spark(folder, recipe.memory, recipe.workers)
    raise ValueError(f"engine={recipe.engine} is not known: there is duckdb, spark")


def read(engine: Engine, recipe: Prepare, todo: list[Piece], parts: Path) -> dict[str, dict[str, Any]]:
    """Has every piece read that is not there yet; returns the facts of all, by key."""
    from tqdm import tqdm

    missing = [piece for piece in todo if not (parts / piece.key).exists()]
    total = sum(piece.size for piece in missing)
    with tqdm(desc="reading", total=total, unit="B", unit_scale=True, disable=None) as bar:
        try:
            for size in engine.map(partial(read_part, recipe, parts), missing):
                bar.update(size)
        except MissingColumnError as error:
            raise ValueError(str(error)) from error
    return {piece.key: json.loads((parts / piece.key / "facts.json").read_text()) for piece in todo}


def read_part(recipe: Prepare, parts: Path, piece: Piece) -> int:
    """Reads a piece into its folder, which is there when it is whole; returns how many bytes that were."""

    def build(folder: Path) -> None:
        facts = read_piece(recipe, piece, folder)
        (folder / "facts.json").write_text(json.dumps(facts) + "\n")

    build_once(parts / piece.key, build)
    return piece.size


def make(
    engine: Engine, recipe: Prepare, todo: list[Piece], facts: Mapping[str, Any], parts: Path, folder: Path, key: str
) -> None:
    """Everything after the reading, into an empty folder."""
    from tqdm import tqdm

    steps = tqdm(total=4, desc="comparing", disable=None, bar_format="{desc} ({n}/{total}, {elapsed})")
    with steps:
        tables(engine, recipe, todo, parts)
        comparison = Comparison(engine, recipe, folder.parent / "engine")
        comparison.run()
        steps.update()
        steps.set_description("writing shards")
        splits, numbers = write_splits(engine, recipe, folder)
        steps.update()
        steps.set_description("writing rejects")
        write_rejects(engine, recipe, folder)
        counts = count(engine, recipe, facts, splits)
        steps.update()
    manifest = {
        "format": FORMAT,
        "name": recipe.name,
        "fingerprint": hashlib.sha256(json.dumps(splits).encode()).hexdigest()[:16],
        "kind": kind(recipe),
        "inputs": inputs(recipe),
        "target": recipe.target,
        "classes": recipe.columns[recipe.target].values if recipe.target else None,
        "image_shape": recipe.image_shape,
        "block_rows": recipe.shards.block_rows,
        "statistics": numbers,
        "counts": counts,
        "found": comparison.found,
        "splits": splits,
        "key": key,
        "recipe": asdict(recipe),
        "lineage": lineage(todo, facts),
    }
    if not splits.get("train"):
        raise ValueError(f"no record is left for training: {counts['rejected']} of {counts['in']} were rejected")
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False, default=str) + "\n")
    if recipe.profile:
        from litmus.prepare.profile import profile

        profile(folder)


def tables(engine: Engine, recipe: Prepare, todo: list[Piece], parts: Path) -> None:
    """What the parts hold, as the engine's tables: records, bands, those of the recipe, and what could not be read."""
    numbers = ", ".join(f"({quoted(piece.key)}, {number})" for number, piece in enumerate(todo))
    engine.create("parts", f"SELECT part, CAST(number AS BIGINT) AS number FROM (VALUES {numbers}) AS x(part, number)")
    records = [parts / piece.key for piece in todo if piece.group == "sources"]
    _read(engine, "records", [part / "records.parquet" for part in records])
    engine.read("unread", [parts / piece.key / "rejects.parquet" for piece in todo])
    if recipe.near_duplicates.threshold is not None:
        _read(engine, "bands", [part / "bands.parquet" for part in records])
    for table in recipe.tables:
        own = [piece.key for piece in todo if (piece.group, piece.source) == ("tables", table)]
        _read(engine, f"table_{table}", [parts / key / "records.parquet" for key in own])


def _read(engine: Engine, name: str, paths: list[Path]) -> None:
    """A table of parts, whose rows have an id: the number of the part, and the place in it."""
    engine.read(f"parts_of_{name}", paths)
    numbered = f"CAST(p.number * {NUMBERED} + r._position AS BIGINT) AS id"
    engine.view(name, f"SELECT {numbered}, r.* FROM parts_of_{name} r JOIN parts p ON r._part = p.part")


def _key(recipe: Prepare, todo: list[Piece]) -> str:
    """16 hexadecimal digits for what the result depends on."""
    how = {name: value for name, value in asdict(recipe).items() if name not in NOT_OF_THE_RESULT}
    return hashlib.sha256(json.dumps([how, [piece.key for piece in todo]], default=str).encode()).hexdigest()[:16]


def _key_of(output: Path) -> str | None:
    """Of a result that is there and whole, by the sizes of its shards."""
    try:
        found: dict[str, Any] = json.loads((output / MANIFEST).read_text())
        shards = [shard for split in found["splits"].values() for shard in split["shards"]]
        whole = all((output / shard["file"]).stat().st_size == shard["bytes"] for shard in shards)
        return str(found["key"]) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _replace(output: Path, building: Path) -> None:
    """Puts a new result in the place of an old one; killed in between, there is the old one, the new one, or none, and
    the next call makes it again from its parts."""
    old = building.with_name("old")
    if output.exists():
        if not (output / MANIFEST).exists() and any(output.iterdir()):
            raise ValueError(f"output={output} holds something else: give another folder")
        output.rename(old)
    building.rename(output)
    flush(output.parent)
    shutil.rmtree(old, ignore_errors=True)


def _forget(parts: Path, wanted: set[str]) -> None:
    """Removes the parts of sources, or of states of them, that are no longer there."""
    for folder in parts.glob("*"):
        if folder.name not in wanted:
            shutil.rmtree(folder, ignore_errors=True)
