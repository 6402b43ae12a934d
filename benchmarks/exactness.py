"""examples per second of train.py with checkpoints, reseeding and the look for NaN, against train.py without them"""

import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.made_up import characters, cifar10, mnist
from benchmarks.throughput import litmus

ROUNDS = 5  # of one process each, in turn
TARGET = 0.98
WITHOUT = ["callbacks.checkpoint=null", "callbacks.reseed=null", "callbacks.finite=null"]


def measure(scratch: Path) -> Iterator[str]:
    yield from compare("resnet20 on CIFAR-10, 50 steps an epoch", scratch, 50, ["model=resnet20", *cifar10(scratch)])
    yield from compare("lenet on MNIST, 400 steps an epoch", scratch, 400, ["model=lenet", *mnist(scratch)])
    yield from compare("gpt, 250 steps an epoch", scratch, 250, ["model=gpt", *characters(scratch)])


def compare(title: str, scratch: Path, steps: int, overrides: list[str]) -> Iterator[str]:
    """A B A B ...: a machine that changes its speed changes it for both."""
    pairs = [[litmus(scratch, steps, [*overrides, *more]) for more in ([], WITHOUT)] for _ in range(ROUNDS)]
    ratios = [with_them / without for with_them, without in pairs]
    yield (
        f"{title}: ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f} over {ROUNDS} pairs; "
        f"wanted {TARGET})"
    )
