"""Which files a recipe reads, in which pieces: a piece is a large file, or some small ones."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from litmus.prepare.config import SUFFIXES, Prepare, Source

FORMAT = 1  # of a part: another one is read anew
MOST_FILES = 4096  # in a piece
NUMBERED = 1 << 32  # records that a part may have: who a record is, is its part's number and its place there
COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".zip")


@dataclass(frozen=True)
class File:
    """A file as it is now; `name` is its path as the recipe has it, below the root."""

    url: str
    name: str
    size: int
    state: str


@dataclass(frozen=True)
class Piece:
    """Files of one source that one process reads into one part, which is called by its key."""

    group: str  # sources or tables
    source: str
    files: tuple[File, ...]
    key: str

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def pieces(recipe: Prepare) -> list[Piece]:
    """Everything there is to read, in the order of the recipe, and of the files' names within a source.

    Raises:
        FileNotFoundError: If a glob finds nothing.
        ValueError: If the files of a source are of no known format.
    """
    found = []
    for group, sources in (("sources", recipe.sources), ("tables", recipe.tables)):
        for name, source in sources.items():
            how = json.dumps([FORMAT, group, name, asdict(source), _reading(recipe)], sort_keys=True, default=str)
            for files in _grouped(list_files(recipe.root, name, source), int(recipe.chunk_megabytes * 1e6)):
                content = json.dumps([how, [[file.name, file.size, file.state] for file in files]])
                key = hashlib.sha256(content.encode()).hexdigest()[:16]
                found.append(Piece(group, name, tuple(files), key))
    return found


def format_of(source: Source, name: str) -> str:
    """How a file is read.

    Raises:
        ValueError: If neither the source nor the suffix says.
    """
    if source.format is not None:
        return source.format
    path = PurePosixPath(name)
    suffix = PurePosixPath(path.stem).suffix or ".csv" if path.suffix in COMPRESSED else path.suffix
    if suffix not in SUFFIXES:
        raise ValueError(f"{name}: the suffix {suffix} is of no known format: give format=csv, jsonl, texts, ...")
    return SUFFIXES[suffix]


def list_files(root: str, name: str, source: Source) -> list[File]:
    """The files behind a source's globs, sorted by name within each glob."""
    from fsspec.core import url_to_fs

    globs = [source.files] if isinstance(source.files, str) else list(source.files)
    found: dict[str, File] = {}
    for glob in globs:
        whole = glob if "://" in glob or PurePosixPath(glob).is_absolute() else f"{root.rstrip('/')}/{glob}"
        system, path = url_to_fs(whole)
        local = "file" in system.protocol
        prefix = url_to_fs(root)[1].rstrip("/") + "/" if glob != whole else ""
        details = system.glob(path, detail=True)
        for place in sorted(details):
            facts = details[place]
            if facts["type"] != "file" or PurePosixPath(place).name.startswith("."):
                continue
            state = facts.get("ETag") or facts.get("mtime") or facts.get("LastModified") or facts.get("created")
            if local:
                state = Path(place).stat().st_mtime_ns
            short = place.removeprefix(prefix) if prefix else system.unstrip_protocol(place)
            short = place if local and not prefix else short
            found.setdefault(short, File(system.unstrip_protocol(place), short, int(facts["size"]), str(state)))
    for file in found.values():
        format_of(source, file.name)
    if not found:
        raise FileNotFoundError(f"{', '.join(globs)} under {root} finds no file: the source {name} needs it")
    return list(found.values())


def _reading(recipe: Prepare) -> dict[str, Any]:
    """What of a recipe, besides the source itself, a part depends on."""
    near = recipe.near_duplicates
    return {
        "columns": {name: asdict(column) for name, column in recipe.columns.items()},
        "inputs": recipe.inputs,
        "pixels": recipe.pixels and recipe.image_shape,
        "nulls": recipe.nulls,
        "clean": recipe.clean,
        "same": None if recipe.duplicates is None else [recipe.duplicates.columns, recipe.duplicates.ignore],
        "near": near.threshold and [near.column, near.unit, near.size, near.permutations, near.bands],
        "split": [recipe.split.columns, recipe.split.seed],
    }


def _grouped(files: list[File], least: int) -> Iterator[list[File]]:
    """Small files in runs of about `least` bytes. Where a run ends is up to the names of its files, so that a new file
    changes the runs beside it, and not all that follow."""
    run: list[File] = []
    size = 0
    for file in files:
        if run and (size >= least or len(run) >= MOST_FILES or file.size >= least):
            yield run
            run, size = [], 0
        run.append(file)
        size += file.size
        border = hashlib.sha256(file.name.encode()).digest()[0] < 2  # one in 128
        if border and (size > least / 4 or len(run) > MOST_FILES / 4):
            yield run
            run, size = [], 0
    if run:
        yield run
