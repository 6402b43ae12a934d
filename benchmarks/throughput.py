"""examples per second of train.py, with metrics, CSV, W&B, bar and checkpoints on, against a bare PyTorch loop"""

import contextlib
import json
import os
import pty
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from benchmarks.made_up import characters, cifar10, mnist

ROOT = Path(__file__).parents[1]
ROUNDS = 3  # of one process each, in turn
EPOCHS = 4  # the first warms up


def measure(scratch: Path) -> Iterator[str]:
    yield from compare("resnet20 on CIFAR-10, batch 128", 0.95, scratch, 50, ["model=resnet20", *cifar10(scratch)])
    yield from compare("lenet on MNIST, batch 128", 0.80, scratch, 400, ["model=lenet", *mnist(scratch)])
    yield from compare("gpt as nanoGPT's on a CPU, batch 12", 0.95, scratch, 250, ["model=gpt", *characters(scratch)])


def compare(title: str, target: float, scratch: Path, steps: int, overrides: list[str]) -> Iterator[str]:
    """A B A B ...: a machine that changes its speed changes it for both."""
    pairs = [(bare(steps, overrides), litmus(scratch, steps, overrides)) for _ in range(ROUNDS)]
    ratios = [ours / theirs for theirs, ours in pairs]
    theirs, ours = (statistics.median(rates) for rates in zip(*pairs, strict=True))
    yield (
        f"{title}: {ours:,.0f} against {theirs:,.0f} examples/s, ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f} over {ROUNDS} pairs; wanted {target:.2f})"
    )


def bare(steps: int, overrides: list[str]) -> float:
    command = [sys.executable, "-m", "benchmarks.bare_loop", str(steps), str(EPOCHS), *overrides]
    return float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def litmus(scratch: Path, steps: int, overrides: list[str]) -> float:
    """In a terminal, for the bar to be drawn."""
    limits = [f"trainer.limit_train_batches={steps}", "trainer.limit_val_batches=2", "trainer.limit_test_batches=2"]
    options = [*overrides, *limits, f"trainer.max_epochs={EPOCHS}", f"output_root={scratch}/outputs"]
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "train.py", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=follower,
        text=True,
        env={**os.environ, "WANDB_MODE": "offline", "COLUMNS": "100"},
    )
    threading.Thread(target=drain, args=(leader,), daemon=True).start()
    folder = process.communicate()[0].splitlines()[-1]
    os.close(follower)
    return float(json.loads((Path(folder) / "run.json").read_text())["examples_per_second"])


def drain(descriptor: int) -> None:
    """Reads what the bar draws, until the terminal is closed."""
    with contextlib.suppress(OSError):
        while os.read(descriptor, 65536):
            pass
