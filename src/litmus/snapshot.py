"""A run's own configuration, as it is kept in its folder: resolved, and true wherever the folder stands."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from litmus.config import did_you_mean
from litmus.pairs import check_pair

NOT_OF_A_RUN = ("resume", "output_root")  # keys that say which run, and change nothing in it
PATHS = (
    "data.root",
    "data.path",
    "data.test_path",
    "data.cache",
    "callbacks.word_vectors.path",
)  # may be given relative to where the user stands
MAY_CHANGE = (
    "trainer.",
    "callbacks.",
    "logger.",
    "data.root=",
    "data.path=",
    "data.test_path=",
    "data.cache=",
    "data.cache_gb=",
    "data.damaged=",
    "threads=",
    "data.workers=",
    "compile=",
    "activation_checkpointing=",
    "tags=",
)  # when a run goes on


def resolve(config: DictConfig) -> DictConfig:
    """Plain values and absolute paths, but for `${run_dir}`: they stay true when the folder, or the user, moves."""
    check_pair(config)
    escaped = OmegaConf.merge(config, {"run_dir": r"\${run_dir}", "data_root": str(Path(config.data_root).absolute())})
    for key in PATHS:
        if (path := OmegaConf.select(escaped, key)) is not None:
            OmegaConf.update(escaped, key, _absolute(path))
    plain = OmegaConf.to_container(escaped, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    del plain["run_dir"], plain["sweep"], plain["claim"]
    return OmegaConf.create(plain)


def _absolute(path: Any) -> Any:
    """The same path, or paths, from wherever it is looked at; a URL is so already."""
    if isinstance(path, ListConfig):
        return [_absolute(one) for one in path]
    return path if not isinstance(path, str) or "://" in path else str(Path(path).absolute())


def saved(folder: Path) -> tuple[DictConfig, list[str]]:
    """A run's configuration and overrides. Somebody else may have written them, so they refer to nothing but
    `${run_dir}`: no variable and no file is read for them.

    Raises:
        ValueError: If they do, or are damaged.
    """
    config = _read(folder / "config.yaml")
    if not isinstance(config, DictConfig):
        raise ValueError(f"{folder} is not the folder of a run: its config.yaml is none of a run's")
    return config, read_overrides(folder)


def read_overrides(folder: Path) -> list[str]:
    """A run's overrides.

    Raises:
        ValueError: If they are damaged.
    """
    overrides = _read(folder / "overrides.yaml")
    if not isinstance(overrides, ListConfig):
        raise ValueError(f"{folder} is not the folder of a run: its overrides.yaml is none of a run's")
    return [str(line) for line in overrides]


def _read(path: Path) -> DictConfig | ListConfig:
    try:
        text = path.read_text()
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):  # a few can stand for millions
            raise ValueError("it has an alias")
        config: DictConfig | ListConfig = OmegaConf.create(yaml.safe_load(text))
    except (yaml.YAMLError, OSError, ValueError, OmegaConfBaseException) as error:
        raise ValueError(f"{path} can't be read as that of a run: {str(error).splitlines()[0]}") from error
    if "${" in json.dumps(OmegaConf.to_container(config), default=str).replace("${run_dir}", ""):
        raise ValueError(f"{path} refers to something other than ${{run_dir}}: it is not that of a run, so not opened")
    return config


def load_config(folder: Path) -> DictConfig:
    """The run's own configuration, resolved, wherever the folder stands now."""
    return place_config(saved(folder)[0], folder)


def place_config(plain: DictConfig, folder: Path) -> DictConfig:
    """A copy of a run's configuration in which `${run_dir}` is the folder."""
    config = plain.copy()
    config.run_dir = str(folder)
    OmegaConf.resolve(config)
    return config


def changed(folder: Path) -> tuple[DictConfig, list[str]]:
    """The same with what the command line changes.

    Raises:
        ValueError: For a change that the checkpoint would not follow.
    """
    config, overrides = saved(folder)
    changes = []
    for line in command_line():
        if line.startswith(MAY_CHANGE):
            changes.append(line)
        elif line not in overrides and line.split("=")[0] not in NOT_OF_A_RUN:
            raise ValueError(f"{line} can't change in a run that goes on: only {' '.join(MAY_CHANGE)} can")
    apply_overrides(config, changes)
    return config, overrides if command_line() == overrides else [*overrides, *changes]


def apply_overrides(config: DictConfig, overrides: Sequence[str]) -> None:
    """Sets plain values of a run's configuration, as on the command line.

    Raises:
        ValueError: For a key that is not there, or one that holds a group.
    """
    for change in OverridesParser.create().parse_overrides(list(overrides)):
        key = change.key_or_group
        parent, _, name = key.rpartition(".")
        node = OmegaConf.select(config, parent) if parent else config
        if not isinstance(node, DictConfig) or name not in node:
            known = [str(other) for other in node] if isinstance(node, DictConfig) else []
            raise ValueError(f"{key} is not a key of this run: {did_you_mean(name, known)}")
        if isinstance(node[name], DictConfig):
            raise ValueError(f"{key} is a group and stays as it was in this run; values can change: {key}.KEY=VALUE")
        node[name] = change.value()


def command_line() -> list[str]:
    """The overrides that Hydra was given."""
    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
