"""Whether a recipe makes sense, before anything is read."""

import re
from collections.abc import Sequence

from omegaconf import OmegaConf

from litmus.config import did_you_mean
from litmus.data.texts.records import check_encodings
from litmus.prepare.clean import IGNORED, STEPS
from litmus.prepare.config import AGAINST, FORMATS, SPLITS, TYPES, Prepare, Source, inputs


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
    if recipe.pixels and recipe.image_shape is None:
        raise ValueError("pixels=true needs image_shape=[CHANNELS,HEIGHT,WIDTH]")
    if recipe.target is not None:
        _one_of("target", recipe.target, tuple(recipe.columns))
    _check_steps(recipe)


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
