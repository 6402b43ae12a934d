"""What a file of conf/prepare may say, and the first look at whether it makes sense."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from litmus.config import CONF, did_you_mean
from litmus.data.texts.records import check_encodings
from litmus.prepare.clean import IGNORED, STEPS

FOLDER = CONF / "prepare"
TYPES = ("text", "label", "category", "number", "integer", "time", "image")
FORMATS = ("csv", "tsv", "jsonl", "parquet", "texts", "images")
SPLITS = ("train", "validation", "test")
AGAINST = "against"  # an evaluation set that is not part of the result
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}


@dataclass
class Column:
    """A column of the result, and what its values must be like.

    `min` and `max` are limits of a number, or of the characters of a text; `values` the only ones of a category, and
    the names of a label's classes in their order; `clean` the steps that a text goes through, one after the other;
    `outliers` how many standard deviations (of the normal distribution with the same median absolute deviation) a
    number may be away from the median; `table` and `key` the table that has the value, and the column of this result by
    which it is looked up there.
    """

    type: str = "text"
    required: bool = True
    min: float | None = None
    max: float | None = None
    values: list[str] | None = None
    clean: list[str] | None = None
    outliers: float | None = None
    table: str | None = None
    key: str | None = None


@dataclass
class Source:
    """Files of one kind, and how their columns become those of the result.

    `columns` says what a column of the result is called here (a list: joined by a space); `constants` are values that
    all records of the source have; `values` maps values; `factors` turns one unit into another; `split` is the
    published one; `keep_reading` of a file that can't be read to its end.
    """

    files: Any = MISSING  # one glob or several, under `root`
    format: str | None = None  # by the files' suffix
    encodings: list[str] = field(default_factory=lambda: ["utf-8"])
    header: list[str] | None = None  # of a CSV file that has none
    columns: dict[str, Any] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    factors: dict[str, float] = field(default_factory=dict)
    split: str | None = None


@dataclass
class Duplicates:
    """Records that say the same."""

    columns: list[str] | None = MISSING
    ignore: list[str] = MISSING
    labels: str = MISSING
    evaluation: bool = MISSING


@dataclass
class NearDuplicates:
    """Texts that say nearly the same, by MinHash."""

    threshold: float | None = MISSING
    column: str | None = MISSING
    unit: str = MISSING
    size: int = MISSING
    permutations: int = MISSING
    bands: int = MISSING


@dataclass
class Split:
    """Which records are for what."""

    by: str = MISSING
    columns: list[str] | None = MISSING
    seed: int = MISSING
    validation: Any = MISSING
    test: Any = MISSING


@dataclass
class Shards:
    """The files of the result."""

    megabytes: float = MISSING
    block_rows: int = MISSING


@dataclass
class Prepare:
    """The top level of conf/prepare/NAME.yaml; a key that is not here is refused."""

    name: str = MISSING
    root: str = MISSING
    output: str = MISSING
    columns: dict[str, Column] = field(default_factory=dict)
    inputs: list[str] | None = MISSING
    target: str | None = MISSING
    image_shape: list[int] | None = MISSING
    sources: dict[str, Source] = field(default_factory=dict)
    tables: dict[str, Source] = field(default_factory=dict)
    nulls: list[str] = MISSING
    clean: list[str] = MISSING
    duplicates: Duplicates | None = field(default_factory=Duplicates)
    near_duplicates: NearDuplicates = field(default_factory=NearDuplicates)
    split: Split = field(default_factory=Split)
    shards: Shards = field(default_factory=Shards)
    profile: bool = MISSING
    engine: str = MISSING
    memory: str = MISSING
    workers: int | None = MISSING
    chunk_megabytes: float = MISSING


def recipes(folder: Path = FOLDER) -> list[str]:
    """Names that `litmus prepare` knows."""
    return sorted(path.stem for path in folder.glob("*.yaml") if path.stem != "default")


def load(name: str, overrides: Sequence[str], folder: Path = FOLDER) -> Prepare:
    """The recipe of a name, checked.

    Raises:
        ValueError: For what can't be meant, with the key.
    """
    if name not in recipes(folder):
        raise ValueError(f"there is no conf/prepare/{name}.yaml: {did_you_mean(name, recipes(folder))}")
    ConfigStore.instance().store(name="prepare_schema", node=Prepare)
    with initialize_config_dir(str(folder), version_base="1.3"):
        composed = compose(name, [f"name={name}", *overrides])
    OmegaConf.resolve(composed)
    for group, kind_of in (("columns", Column), ("sources", Source), ("tables", Source)):
        for one, node in composed[group].items():
            known = [each.name for each in fields(kind_of)]
            for key in node:  # by +KEY=VALUE anything can be added
                if key not in known:
                    raise ValueError(f"{group}.{one}.{key} is not a key: {did_you_mean(key, known)}")
    recipe: Prepare = OmegaConf.to_object(composed)  # type: ignore[assignment]
    check(recipe)
    return recipe


def check(recipe: Prepare) -> None:
    """Refuses what can't be meant."""
    if len({name.lower() for name in recipe.columns}) < len(recipe.columns):
        raise ValueError(f"columns: {', '.join(recipe.columns)} differ in nothing but capitals: rename one")
    if not recipe.columns or not recipe.sources:
        raise ValueError("a recipe needs columns and sources")
    for step in recipe.clean:
        _one_of("clean", step, tuple(STEPS))
    for name, column in recipe.columns.items():
        _one_of(f"columns.{name}.type", column.type, TYPES)
        if name.startswith("_") or not name.isidentifier():
            raise ValueError(
                f"columns.{name}: a column's name is of letters, digits and _, which it does not begin with"
            )
        if column.type == "label" and not column.values:
            raise ValueError(f"columns.{name}.values must name the classes, in their order")
        if column.table is not None:
            _one_of(f"columns.{name}.table", column.table, tuple(recipe.tables))
            _one_of(f"columns.{name}.key", str(column.key), tuple(recipe.columns))
        for step in column.clean or ():
            _one_of(f"columns.{name}.clean", step, tuple(STEPS))
    for group, found in (("sources", recipe.sources), ("tables", recipe.tables)):
        for name, source in found.items():
            _check_source(f"{group}.{name}", source, recipe)
    for name in inputs(recipe):
        _one_of("inputs", name, tuple(recipe.columns))
    if recipe.target is not None:
        _one_of("target", recipe.target, tuple(recipe.columns))
    _check_steps(recipe)


def in_sql(name: str) -> str:
    """What a column is called in the engine's tables, where a name may be a keyword, or one of the steps' own."""
    return f"c_{name}"


def inputs(recipe: Prepare) -> list[str]:
    """The columns that a model sees: the text, or the image, or all numbers but the target."""
    if recipe.inputs is not None:
        return recipe.inputs
    for kinds in (("text",), ("image",), ("number", "integer")):
        found = [name for name, column in recipe.columns.items() if column.type in kinds and name != recipe.target]
        if found:
            return found if kinds[0] == "number" else found[:1]
    raise ValueError("inputs is null, and no column is a text, an image or a number: name the inputs")


def kind(recipe: Prepare) -> str:
    """What a model is fed with: text, image or table."""
    first = recipe.columns[inputs(recipe)[0]].type
    return first if first in ("text", "image") else "table"


def _check_source(key: str, source: Source, recipe: Prepare) -> None:
    if OmegaConf.is_missing(OmegaConf.structured(source), "files"):
        raise ValueError(f"{key}.files is missing: give a glob, or a list of them")
    if source.format is not None:
        _one_of(f"{key}.format", source.format, FORMATS)
    if source.split is not None:
        _one_of(f"{key}.split", source.split, (*SPLITS, AGAINST))
    check_encodings(source.encodings)
    for part in ("columns", "constants", "values", "factors"):
        for name in getattr(source, part):
            _one_of(f"{key}.{part}", name, tuple(recipe.columns))


def _check_steps(recipe: Prepare) -> None:
    split, near = recipe.split, recipe.near_duplicates
    _one_of("split.by", split.by, ("hash", "class", "time"))
    if split.by == "class" and recipe.target is None:
        raise ValueError("split.by=class needs a target")
    if split.by == "time" and not (split.columns and recipe.columns[split.columns[0]].type == "time"):
        raise ValueError("split.by=time needs split.columns=[NAME] of a column of type time")
    if split.by != "time":
        for part in ("validation", "test"):
            share = getattr(split, part)
            if not (isinstance(share, int | float) and 0 <= share < 1):
                raise ValueError(f"split.{part}={share} is not a share from 0 to below 1")
    if not re.fullmatch(r"\d+(\.\d+)? ?[KMGT]i?B", recipe.memory):
        raise ValueError(f"memory={recipe.memory} is not a size, such as 500MB or 4GB")
    if recipe.duplicates is not None:
        _one_of("duplicates.labels", recipe.duplicates.labels, ("drop", "first", "majority"))
        for name in recipe.duplicates.ignore:
            _one_of("duplicates.ignore", name, tuple(IGNORED))
        for name in recipe.duplicates.columns or ():
            _one_of("duplicates.columns", name, tuple(recipe.columns))
    if near.threshold is not None:
        _one_of("near_duplicates.unit", near.unit, ("word", "character"))
        if near.permutations % near.bands:
            raise ValueError(f"near_duplicates.permutations={near.permutations} can't be cut into {near.bands} bands")
        if not 0 < near.threshold <= 1:
            raise ValueError(f"near_duplicates.threshold={near.threshold} is not above 0, and at most 1")
    if recipe.shards.block_rows < 1 or recipe.shards.megabytes <= 0:
        raise ValueError("shards.block_rows and shards.megabytes must be above 0")


def _one_of(key: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"{key}={value} is not known: {did_you_mean(value, known)}")
