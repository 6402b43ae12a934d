"""peak resident memory of a run on CIFAR-10 above that of its imports, in sizes of the raw data (176 MiB)"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.made_up import cifar10

ROOT = Path(__file__).parents[1]
RAW = 60_000 * 3073 / 2**20  # MiB
LIMIT = 2.5


def measure(scratch: Path) -> Iterator[str]:
    imports = peak(["-c", "import torch, pytorch_lightning"])
    for model in ("cnn", "resnet20"):
        limits = ["trainer.max_epochs=1", "trainer.limit_train_batches=20"]
        run = peak(["train.py", f"model={model}", *cifar10(scratch), *limits, f"output_root={scratch}/outputs"])
        bare = peak(["-m", "benchmarks.bare_loop", "20", "2", f"model={model}", *cifar10(scratch)])
        above, bare_above = ((value - imports) / RAW for value in (run, bare))
        yield f"{model}: {above:.2f} (wanted {LIMIT}; the bare loop, without validation: {bare_above:.2f})"


def private(pid: int) -> int:
    """KiB of a process that no other one shares."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def peak(arguments: list[str]) -> float:
    """MiB of the process itself, not of its helpers."""
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{arguments} ended with {status}")
    return usage.ru_maxrss / 1024
