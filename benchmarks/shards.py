"""data=shards: examples per second on CIFAR-10 against data in memory, and private memory with 16 times more"""

import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from benchmarks.made_up import cifar10
from benchmarks.memory import private
from benchmarks.throughput import ROOT, ROUNDS, litmus
from litmus.data.images.image_folder import netpbm
from litmus.data.shards.writer import ShardWriter

Encode = Callable[[NDArray[np.uint8]], bytes]
STEPS = 100  # of an epoch
BLOCK = 512  # rows
SHARD = 8 << 20  # bytes
WORKERS = (0, 1, 2)  # that decode ahead
WANTED = 0.90
EPOCHS = 8  # of 20 steps each, for the memory
MORE = 16  # times more shards
MOST = 1.05  # times the memory
EVERY = 0.02  # seconds between two looks at the memory
RECORDS = "cifar-10-batches-bin"


def measure(scratch: Path) -> Iterator[str]:
    memory, records = in_memory(scratch)
    shards = prepared(scratch / "shards", records, 50_000, BLOCK, SHARD, netpbm_file)
    yield from speed(scratch, memory, shards, prepared(scratch / "png", records, 50_000, BLOCK, SHARD, png))
    few, many = (
        prepared(scratch / f"shards-{count}", records, count, 128, SHARD // 8, netpbm_file)
        for count in (50_000 // MORE, 50_000)
    )
    yield from private_memory(scratch, few, many)


def in_memory(scratch: Path) -> tuple[list[str], Path]:
    """CIFAR-10 where it stands, for its pictures are as large as pictures are; else random pixels, which are larger."""
    root = Path(os.environ.get("LITMUS_DATA", "data"))
    if (root / RECORDS).exists():
        return ["data=cifar10"], (root / RECORDS).absolute()
    return cifar10(scratch), scratch / RECORDS


def speed(scratch: Path, memory: list[str], shards: list[str], as_png: list[str]) -> Iterator[str]:
    """A B C A B C ...: a machine that changes its speed changes it for all."""
    common = ["model=cnn", "data.batch_size=128"]
    rates: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        rates.setdefault("memory", []).append(litmus(scratch, STEPS, [*common, *memory]))
        rates.setdefault("shards", []).append(litmus(scratch, STEPS, [*common, *shards]))
        for workers in WORKERS:
            found = litmus(scratch, STEPS, [*common, *as_png, f"workers={workers}"])
            rates.setdefault(f"shards as PNG, workers={workers}", []).append(found)
    base = rates.pop("memory")
    for name, ours in rates.items():
        ratios = [one / other for one, other in zip(ours, base, strict=True)]
        yield (
            f"cnn on CIFAR-10, {name}: {statistics.median(ours):,.0f} against {statistics.median(base):,.0f} "
            f"examples/s, ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}; "
            f"wanted {WANTED})"
        )


def private_memory(scratch: Path, few: list[str], many: list[str]) -> Iterator[str]:
    pairs = [(peak(scratch, few), peak(scratch, many)) for _ in range(ROUNDS)]
    ratios = [more / less for less, more in pairs]
    less, more = (statistics.median(values) for values in zip(*pairs, strict=True))
    yield (
        f"private memory with {MORE} times more shards: {more:,.0f} against {less:,.0f} MiB, ratio "
        f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}; wanted {MOST})"
    )


def prepared(folder: Path, records: Path, count: int, block_rows: int, shard_bytes: int, encode: Encode) -> list[str]:
    """Writes the first training images of CIFAR-10, and its test images, as `litmus prepare` does; gives the overrides
    that train on them."""
    splits = {
        "train": images([records / f"data_batch_{index}.bin" for index in range(1, 6)], count, encode),
        "test": images([records / "test_batch.bin"], 10_000, encode),
    }
    entries = {}
    schema = pa.schema([("image", pa.binary()), ("label", pa.int32())])
    for split, batches in splits.items():
        writer = ShardWriter(folder, split, shard_bytes, block_rows, schema)
        for batch in batches:
            writer.write(batch)
        shards = writer.close()
        entries[split] = {"rows": sum(shard["rows"] for shard in shards), "fingerprint": "0" * 16, "shards": shards}
    manifest = {
        "format": 1,
        "name": "CIFAR-10",
        "kind": "image",
        "inputs": ["image"],
        "target": "label",
        "classes": [str(label) for label in range(10)],
        "image_shape": [3, 32, 32],
        "block_rows": block_rows,
        "statistics": {},
        "splits": entries,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return ["data=shards", f"data.path={folder}"]


def images(paths: list[Path], count: int, encode: Encode) -> Iterator[pa.Table]:
    for path in paths:
        records = np.fromfile(path, np.uint8).reshape(-1, 3073)[: max(count, 0)]
        count -= len(records)
        pixels = np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        labels = pa.array(records[:, 0].astype(np.int32))
        yield pa.table({"image": [encode(image) for image in pixels], "label": labels})


def netpbm_file(pixels: NDArray[np.uint8]) -> bytes:
    return netpbm([3, 32, 32]) + pixels.tobytes()


def png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def peak(scratch: Path, overrides: list[str]) -> float:
    """The most MiB that a training process has of its own, in as many steps."""
    limits = [f"trainer.max_epochs={EPOCHS}", "trainer.limit_train_batches=20", "data.batch_size=128"]
    options = [*overrides, "model=cnn", *limits, f"output_root={scratch}/outputs"]
    process = subprocess.Popen(
        [sys.executable, "train.py", *options],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "WANDB_MODE": "disabled"},
    )
    most = 0
    while process.poll() is None:
        most = max(most, private(process.pid))
        time.sleep(EVERY)
    if process.returncode:
        raise RuntimeError(f"{overrides} ended with {process.returncode}")
    return most / 1024
