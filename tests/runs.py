"""Looking at finished runs."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from litmus.folder import best_checkpoint, read_metrics, step_checkpoints

TIMINGS = {"train/examples_per_second", "train/memory_gib", "rates"}  # the only things in which two equal runs differ


def last_run(config: DictConfig) -> Path:
    return max(Path(config.output_root).iterdir(), key=lambda folder: folder.stat().st_ctime_ns)


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def records(root: Path) -> list[dict[str, Any]]:
    """Of all runs in a folder, oldest first."""
    return [record(path.parent) for path in sorted(root.glob("*/run.json"))]


def until(happened: Callable[[], object], what: str) -> None:
    """Waits for it."""
    deadline = time.monotonic() + 200
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def scalars(folder: Path) -> list[dict[str, str]]:
    """Every logged value but the timings."""
    return [row for row in read_metrics(folder / "metrics.csv") if row["metric"] not in TIMINGS]


def newest(folder: Path) -> dict[str, Any]:
    """The last checkpoint: weights, optimizer, schedule, callbacks, counters."""
    content: dict[str, Any] = torch.load(step_checkpoints(folder)[-1], weights_only=True)
    return content


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(newest(folder)["state_dict"])


def best_weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(torch.load(best_checkpoint(folder), weights_only=True)["state_dict"])


def same(a: Any, b: Any) -> bool:
    """Bit for bit, but for timings."""
    return not differences(a, b)


def differences(a: Any, b: Any, where: str = "") -> list[str]:
    """The places in which two things differ, but for timings."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return [] if a.dtype == b.dtype and torch.equal(a, b) else [where]
    if isinstance(a, dict) and isinstance(b, dict):
        keys = (a.keys() | b.keys()) - TIMINGS
        return [place for key in keys for place in differences(a.get(key), b.get(key), f"{where}.{key}")]
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        return [place for i in range(len(a)) for place in differences(a[i], b[i], f"{where}[{i}]")]
    return [] if a == b else [f"{where}: {a} and {b}"]
