"""`litmus explain OVERRIDES`: each value of a run's configuration, and the line that it comes from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.defaults_list import DefaultsList
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from litmus.config import CONF, did_you_mean
from litmus.runs.find import flat
from litmus.snapshot import resolve
from litmus.sweeps.compose import composed

COMMAND_LINE = "command line"
FOLLOWS = "follows from other choices"
RECIPE = "experiment/"  # files of conf/
NOT_A_CHOICE = ("hydra", "experiment", "sweep")  # groups that propose values for others


@dataclass(frozen=True)
class Origin:
    """Where a value was written last."""

    place: str
    written: Any


@dataclass(frozen=True)
class Change:
    """What a recipe or the command line made of a value, or of the choice in a group.

    Attributes:
        choice: In a group; None for a value.
        default: What it would be otherwise.
    """

    key: str
    choice: str | None
    default: Any
    place: str


def changes(overrides: Sequence[str]) -> list[Change]:
    """Choices that are not those of conf/config.yaml, and values that a recipe or the command line writes, with what
    they would be for the same choices without it; None if they would not be there."""
    given = dict(word.lstrip("+~").partition("=")[::2] for word in overrides)
    first: Any = yaml.safe_load((CONF / "config.yaml").read_text())["defaults"]
    usual = {group: name for each in first if isinstance(each, dict) for group, name in each.items()}
    with _hydra():
        defaults = _defaults(overrides)
        choices = {key: name for key, name in given.items() if isinstance(usual.get(key), list)} | _choices(defaults)
        base = compose("config", [f"{group}={name}" for group, name in choices.items() if name is not None])
    found = [
        Change(group, str(name), usual.get(group), COMMAND_LINE if group in given else FOLLOWS)
        for group, name in choices.items()
        if name != usual.get(group)
    ]
    for key, origin in _written_by(defaults, RECIPE).items():
        if key not in choices:
            try:
                found.append(Change(key, None, OmegaConf.select(base, key), origin.place))
            except OmegaConfBaseException:  # it refers to what has to be given
                found.append(Change(key, None, None, origin.place))
    return found


def explain(overrides: Sequence[str], key: str | None = None) -> list[dict[str, Any]]:
    """A row a value: its key, what it is, where it was written, and what is written there if it refers to another one.

    Args:
        key: Of a value, or of a part of the configuration; None for all of it.

    Raises:
        ValueError: If there is no such key, or nothing could be run with the overrides.
    """
    config: Any = resolve(composed(overrides))
    values = {
        name: value for name, value in flat(OmegaConf.to_container(config)).items() if not name.startswith("hydra.")
    }
    chosen = {name: value for name, value in values.items() if key is None or f"{name}.".startswith(f"{key}.")}
    if not chosen:
        raise ValueError(f"{key} is not a key: {did_you_mean(str(key), _parts(values))}")
    origins = _origins(overrides)
    rows = []
    for name, value in chosen.items():
        origin = _origin(name, origins)
        refers = isinstance(origin.written, str) and "${" in origin.written
        rows.append({"key": name, "value": value, "from": origin.place, "as": origin.written if refers else None})
    return rows


def written_in(key: str, overrides: Sequence[str]) -> str | None:
    """The file and line of a key's value; None if no file wrote that one, or the command line another."""
    origin = _origins(overrides).get(key)
    return None if origin is None or origin.place == COMMAND_LINE else origin.place


def _origins(overrides: Sequence[str]) -> dict[str, Origin]:
    """Of every key that is written anywhere, the last place in the order in which Hydra reads them."""
    with _hydra():
        return _written_by(_defaults(overrides))


@contextmanager
def _hydra() -> Iterator[None]:
    """Hydra as it is at the start of a command, also within one; it gets back what it had."""
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = before


def _defaults(overrides: Sequence[str]) -> DefaultsList:
    """The files that Hydra, which is initialized, reads in turn."""
    loader = GlobalHydra.instance().config_loader()
    assert isinstance(loader, ConfigLoaderImpl)
    return loader.compute_defaults_list("config", list(overrides), RunMode.RUN)


def _choices(defaults: DefaultsList) -> dict[str, str | None]:
    """The file of each group, where it is one."""
    choices = defaults.overrides.known_choices
    return {group: name for group, name in choices.items() if not group.startswith(NOT_A_CHOICE)}


def _written_by(defaults: DefaultsList, folder: str = "") -> dict[str, Origin]:
    """The last place of every key in the files of a folder of conf/, and on the command line."""
    found: dict[str, Origin] = {}
    for default in defaults.defaults:
        path = CONF / f"{default.config_path}.yaml"
        is_ours = str(default.config_path).startswith(folder) and not str(default.package).startswith("hydra")
        if path.exists() and is_ours:
            found |= dict(_written(path, "" if default.package in (None, "_global_") else str(default.package)))
    for override in defaults.config_overrides:
        found[override.get_key_element().lstrip("+~")] = Origin(COMMAND_LINE, override.get_value_element_as_str())
    return found


def _written(path: Path, package: str) -> Iterator[tuple[str, Origin]]:
    """The values of a file by their keys in the whole configuration, with the line of each."""
    node = yaml.compose(path.read_text(), yaml.SafeLoader)
    place = path.relative_to(CONF.parent)
    for key, value in _leaves(node, f"{package}." if package else ""):
        if key.split(".")[-1] != "defaults" and key:
            written = yaml.safe_load(yaml.serialize(value))
            yield key, Origin(f"{place}:{value.start_mark.line + 1}", written)


def _leaves(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, yaml.MappingNode) and node.value:
        for name, child in node.value:
            yield from _leaves(child, f"{prefix}{name.value}.")
    elif node is not None:
        yield prefix[:-1], node


def _origin(key: str, origins: dict[str, Origin]) -> Origin:
    """The nearest: of the value itself, or of a part of the configuration that holds it."""
    while key:
        if key in origins:
            return origins[key]
        key = key.rpartition(".")[0]
    return Origin("src/litmus/config.py", None)


def _parts(keys: Sequence[str] | dict[str, Any]) -> set[str]:
    """The keys and all that they lie in."""
    return {".".join(key.split(".")[:depth]) for key in keys for depth in range(1, key.count(".") + 2)}
