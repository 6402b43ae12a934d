"""Reading run folders: nothing here needs torch, so `litmus runs` answers at once."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from litmus.config import did_you_mean

LOST = 60.0  # seconds without a heartbeat after which a running run is taken for lost


def find_run(name: str, root: Path) -> Path:
    """The folder of a run: a path, an id under `root`, or `last`, the newest under `root`.

    Raises:
        ValueError: If there is none, with the nearest there is.
    """
    if name != "last" and (Path(name) / "run.json").exists():
        return Path(name).absolute()
    folders = list_runs(root)
    if not folders:
        raise ValueError(f"there are no runs in {root.absolute()}: elsewhere is output_root=DIR, or litmus --root DIR")
    if name == "last":
        return folders[-1]
    by_id = {folder.name: folder for folder in folders}
    if name not in by_id:
        raise ValueError(f"there is no run {name} in {root}: {did_you_mean(name, [*list(by_id)[-5:], 'last'])}")
    return by_id[name]


def list_runs(root: Path) -> list[Path]:
    """Absolute paths of the run folders under `root`, oldest first."""
    found = [path.parent.absolute() for path in root.glob("*/run.json")]
    return sorted(found, key=lambda folder: (read_record(folder).get("started", ""), folder.name))


def read_record(folder: Path) -> dict[str, Any]:
    """run.json, with the status `lost` for a run that says it is running and shows no sign of life."""
    record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    if record.get("status") == "running":
        silent = datetime.now(UTC) - datetime.fromisoformat(record["heartbeat"])
        if silent.total_seconds() > LOST:
            record["status"] = "lost"
    return record


def load_config(folder: Path) -> DictConfig:
    """The run's own configuration, resolved, wherever the folder stands now."""
    plain = OmegaConf.load(folder / "config.yaml")
    assert isinstance(plain, DictConfig)
    return place_config(plain, folder)


def place_config(plain: DictConfig, folder: Path) -> DictConfig:
    """A copy of a run's configuration in which `${run_dir}` is the folder."""
    config = plain.copy()
    config.run_dir = str(folder)
    OmegaConf.resolve(config)
    return config


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
