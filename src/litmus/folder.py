"""Reading run folders: nothing here needs torch, so `litmus runs` answers at once."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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


def checkpoint_path(folder: Path, name: str) -> Path:
    """Where the checkpoint `best` or `last` of a run stands, if it does."""
    return folder / "checkpoints" / f"{name}.ckpt"


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
