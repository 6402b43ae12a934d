"""What a file of conf/prepare may say."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from litmus.config import CONF, did_you_mean
from litmus.data.texts.records import JSON_LINES

FOLDER = CONF / "prepare"
SILENT = ("hydra.output_subdir=null", "hydra/job_logging=none")  # Hydra composes, and does nothing else
NUMERIC = ("number", "integer")
TYPES = ("text", "label", "category", "number", "integer", "time", "image")
FORMATS = ("csv", "tsv", "jsonl", "parquet", "texts", "images")
SPLITS = ("train", "validation", "test")
AGAINST = "against"  # an evaluation set that is not part of the result
SUFFIXES = {".csv": "csv", ".tsv": "tsv", **dict.fromkeys(JSON_LINES, "jsonl"), ".parquet": "parquet"}


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
    published one.
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
    pixels: bool = MISSING
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
    """The recipe of a name.

    Raises:
        ValueError: If there is none, or for a key that it can't have.
    """
    if name not in recipes(folder):
        raise ValueError(f"there is no conf/prepare/{name}.yaml: {did_you_mean(name, recipes(folder))}")
    ConfigStore.instance().store(name="prepare_schema", node=Prepare)
    with initialize_config_dir(str(folder), version_base="1.3"):
        composed = compose(name, [*SILENT, f"name={name}", *overrides])
    OmegaConf.resolve(composed)
    for group, kind_of in (("columns", Column), ("sources", Source), ("tables", Source)):
        known = [each.name for each in fields(kind_of)]
        for one, node in composed[group].items():
            for key in node:  # by +KEY=VALUE anything can be added
                if key not in known:
                    raise ValueError(f"{group}.{one}.{key} is not a key: {did_you_mean(key, known)}")
    recipe: Prepare = OmegaConf.to_object(composed)  # type: ignore[assignment]
    return recipe


def in_sql(name: str) -> str:
    """What a column is called in the engine's tables, where a name may be a keyword, or one of the steps' own."""
    return f"c_{name}"


def inputs(recipe: Prepare) -> list[str]:
    """The columns that a model sees: the text, or the image, or all numbers but the target."""
    if recipe.inputs is not None:
        return recipe.inputs
    for kinds in (("text",), ("image",), NUMERIC):
        found = [name for name, column in recipe.columns.items() if column.type in kinds and name != recipe.target]
        if found:
            return found if kinds is NUMERIC else found[:1]
    raise ValueError("inputs is null, and no column is a text, an image or a number: name the inputs")


def kind(recipe: Prepare) -> str:
    """What a model is fed with: text, image or table."""
    first = recipe.columns[inputs(recipe)[0]].type
    return first if first in ("text", "image") else "table"
