"""examples per second of train.py on 1, 2, 4 ... GPUs with ddp, fsdp, bf16 and compile, against a bare loop on one"""

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import torch

from benchmarks import throughput
from benchmarks.made_up import characters, cifar10
from benchmarks.throughput import bare, litmus

WAYS = {
    "32-true": (),
    "bf16": ("trainer.precision=bf16-mixed",),
    "bf16, compile": ("trainer.precision=bf16-mixed", "compile=true"),
}
STEPS = 200  # an epoch
GPT = ["model.width=768", "model.heads=12", "model.layers=12", "data.context=256"]
ROW = "{:<24}{:>6}{:>10}{:>16}{:>14}{:>12}{:>12}"


def measure(scratch: Path) -> Iterator[str]:
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus == 0:
        yield "there is no CUDA GPU here, so nothing was measured: run it where torch.cuda.is_available()"
        return
    yield f"{gpus} x {torch.cuda.get_device_name()}, torch {torch.__version__}; {STEPS} steps an epoch, batch a device"
    airbench = ["experiment=airbench94", *cifar10(scratch)]
    yield from throughput.compare("airbench94 on CIFAR-10, batch 1024", 0.9, scratch, 48, airbench)
    yield ROW.format("network, batch", "GPUs", "strategy", "numbers", "examples/s", "of bare", "of linear")
    for title, batch, overrides in (
        ("wide_resnet, 256", 256, ["model=wide_resnet", *cifar10(scratch)]),
        ("gpt 12 x 768, 16 x 256", 16, ["model=gpt", *characters(scratch), *GPT]),
    ):
        yield from compare(title, batch, overrides, gpus, scratch)


def counts(gpus: int) -> list[int]:
    """1, 2, 4 ... and all."""
    return sorted({*takewhile(lambda count: count <= gpus, (2**power for power in range(10))), gpus})


def compare(title: str, batch: int, overrides: list[str], gpus: int, scratch: Path) -> Iterator[str]:
    """The same number of examples a device, however many there are."""
    base = bare(STEPS, [*overrides, f"data.batch_size={batch}"])
    yield ROW.format(title, 1, "bare loop", "32-true", f"{base:,.0f}", "1.00", "")
    for strategy in ("ddp", "fsdp"):
        for numbers, how in WAYS.items():
            one = 0.0
            for count in counts(gpus):
                many = [f"trainer={strategy}", "trainer.accelerator=gpu", f"trainer.devices={count}"]
                rate = litmus(scratch, STEPS, [*overrides, *many, *how, f"data.batch_size={batch * count}"])
                one = one or rate
                cells = (f"{rate:,.0f}", f"{rate / base:.2f}", f"{rate / one / count:.2f}")
                yield ROW.format(title, count, strategy, numbers, *cells)
