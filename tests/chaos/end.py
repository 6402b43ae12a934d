"""What a run came to, as plain values, and where two runs differ, bit by bit."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from litmus.checkpoint import read_checkpoint
from litmus.folder import best_checkpoint, read_metrics, read_record, step_checkpoints

LEFT_OUT = {
    "rates",  # timings
    "train/examples_per_second",
    "train/memory_gib",
    "epoch_loop.val_loop.batch_progress",  # Lightning counts a validation twice that it finds done; nothing reads that
}
FACTS = ("status", "metrics", "objective", "epoch", "step", "data", "parameters", "world_size")


def end_of(folder: Path) -> dict[str, Any]:
    """All that a run left, but for timings, W&B's own files, checkpoints of the way, and where the folder stands."""
    record = read_record(folder)
    checkpoints = [best_checkpoint(folder), *step_checkpoints(folder)[-1:]]
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.suffix not in (".ckpt", ".damaged")}
    end = {
        "files": sorted(str(file) for file in files if file.parts[0] != "wandb"),
        "run.json": {name: record.get(name) for name in FACTS},
        "metrics.csv": [row for row in read_metrics(folder / "metrics.csv") if row["metric"] not in LEFT_OUT],
        **{path.name: read_checkpoint(path) for path in checkpoints if path.exists()},
    }
    return {name: plain(value, str(folder)) for name, value in end.items()}


def differences(left: Any, right: Any, where: str = "") -> Iterator[str]:
    """Where two ends differ."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for key in sorted(left.keys() ^ right.keys()):
            yield f"{where}/{key} is in one only"
        for key in sorted(left.keys() & right.keys()):
            yield from differences(left[key], right[key], f"{where}/{key}")
    elif isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            yield f"{where} has {len(left)} and {len(right)} entries"
        for index, pair in enumerate(zip(left, right, strict=False)):
            yield from differences(*pair, f"{where}/{index}")
    elif type(left) is not type(right) or left != right:
        yield f"{where}: {str(left)[:60]} and {str(right)[:60]}"


def plain(value: Any, folder: str) -> Any:
    """Tensors as their bytes and floats as their digits, for which what is not a number is equal to itself."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.contiguous().flatten().view(torch.uint8).numpy().tobytes()
    if isinstance(value, Mapping):
        return {str(key): plain(item, folder) for key, item in value.items() if key not in LEFT_OUT}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item, folder) for item in value]
    return value.replace(folder, "") if isinstance(value, str) else repr(value) if isinstance(value, float) else value
