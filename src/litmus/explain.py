"""`litmus explain OVERRIDES`: each value of a run's configuration, and the line that it comes from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from litmus.config import CONF, did_you_mean
from litmus.runs.find import flat
from litmus.snapshot import resolve
from litmus.sweeps.compose import composed

COMMAND_LINE = "command line"


@dataclass(frozen=True)
class Origin:
    """Where a value was written last."""

    place: str
    written: Any


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


def _origins(overrides: Sequence[str]) -> dict[str, Origin]:
    """Of every key that is written anywhere, the last place in the order in which Hydra reads them."""
    found: dict[str, Origin] = {}
    with initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        assert isinstance(loader, ConfigLoaderImpl)
        defaults = loader.compute_defaults_list("config", list(overrides), RunMode.RUN)
        for default in defaults.defaults:
            path = CONF / f"{default.config_path}.yaml"
            if path.exists() and not str(default.package).startswith("hydra"):
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
