"""Reading run folders: nothing here needs torch, so `litmus runs` answers at once."""

import csv
import json
import os
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


def resume_command(folder: Path) -> str:
    """What goes on with a run that did not get to its end."""
    elsewhere = "" if folder.parent == Path("outputs").absolute() else f" output_root={folder.parent}"
    return f"python train.py resume={folder.name}{elsewhere}"


def best_checkpoint(folder: Path) -> Path:
    """Where the best checkpoint of a run stands, if it has one."""
    return folder / "checkpoints" / "best.ckpt"


def step_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run to go on from, oldest first."""
    found = (folder / "checkpoints").glob("step-*.ckpt")
    return sorted(found, key=lambda path: int(path.stem.removeprefix("step-")))


def exported(folder: Path) -> Path:
    """Where `litmus export` puts the weights of a run."""
    return folder / "model.ckpt"


def best_or_newest(folder: Path) -> Path | None:
    """The best checkpoint of a run, or the newest if nothing was validated; None if none was written."""
    best = best_checkpoint(folder)
    return best if best.exists() else next(reversed(step_checkpoints(folder)), None)


def beside(path: Path) -> Path:
    """Where a file is written before it gets its name; a kill may leave it there."""
    return path.with_name(path.name + ".tmp")


def write_whole(path: Path, text: str) -> None:
    """Puts a text in a file's place, on the disk: a kill, or a full disk, leaves the old one or the new one."""
    partial = beside(path)
    try:
        with open(partial, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def flush(path: Path) -> None:
    """Has the disk keep a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def list_runs(root: Path) -> list[Path]:
    """Absolute paths of the run folders under `root`, oldest first."""
    return [folder for folder, _ in list_records(root)]


def list_records(root: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The same with their records, each read once; that of a damaged one has its id and the status `damaged`."""
    found = [(path.parent.absolute(), _record_or_none(path.parent)) for path in root.glob("*/run.json")]
    return sorted(found, key=lambda run: (str(run[1].get("started", "")), run[0].name))


def _record_or_none(folder: Path) -> dict[str, Any]:
    try:
        return read_record(folder)
    except ValueError:  # for whoever looks at it
        return {"id": folder.name, "status": "damaged"}


def rank_files(folder: Path) -> list[Path]:
    """What other ranks than the first left behind when they failed."""
    return sorted(folder.glob("rank-*.json"))


def rank_errors(folder: Path) -> list[dict[str, str]]:
    """Their errors, which the first one may not have lived to tell."""
    return [json.loads(path.read_text()) for path in rank_files(folder)]


def read_record(folder: Path) -> dict[str, Any]:
    """run.json, with the status `lost` for a run that says it is running and shows no sign of life."""
    try:
        record: dict[str, Any] = dict(json.loads((folder / "run.json").read_text()))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{folder}/run.json can't be read as a record: {error}") from error
    if record.get("status") == "running":
        if errors := rank_errors(folder):
            return {**record, "status": "failed", "error": errors[0]}
        silent = datetime.now(UTC) - datetime.fromisoformat(record["heartbeat"])
        if silent.total_seconds() > LOST:
            record["status"] = "lost"
    return record


def read_metrics(path: Path) -> list[dict[str, str]]:
    """The rows of a metrics file; a row that a kill cut short is left out."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return [row for row in csv.DictReader(file) if None not in row.values() and row["value"]]
