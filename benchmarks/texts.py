"""batches of texts of like length against random and packed ones; the cache of tokens; memory against corpus size"""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.made_up import corpus, reviews
from benchmarks.memory import peak

ROOT = Path(__file__).parents[1]
ROUNDS = 3  # in turn
STEPS = 20
SIZES = (4, 16, 64)  # MiB


def measure(scratch: Path) -> Iterator[str]:
    yield from batching(scratch)
    yield from cache(scratch)
    yield from growth(scratch)


def batching(scratch: Path) -> Iterator[str]:
    """One network, three ways to feed it, in processes of their own, in turn."""
    overrides = ["model=lstm", *reviews(scratch, 6000), "data.max_length=400"]
    rates: dict[str, list[float]] = {way: [] for way in ("bucketed", "random", "packed")}
    for _ in range(ROUNDS):
        for way, found in rates.items():
            command = [sys.executable, "-m", "benchmarks.bare_texts", way, str(STEPS), *overrides]
            done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
            found.append(float(done.stdout.splitlines()[-1]))
    ours = statistics.median(rates["bucketed"])
    for way, wanted in (("random", 1.8), ("packed", 4.0)):
        theirs = statistics.median(rates[way])
        yield (
            f"lstm on reviews, batch 64: {ours:.0f} examples/s, {theirs:.0f} with {way} batches, ratio "
            f"{ours / theirs:.2f} (wanted {wanted})"
        )


def cache(scratch: Path) -> Iterator[str]:
    from hydra import compose, initialize_config_dir

    from litmus.build import build_data
    from litmus.config import register

    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", ["model=lstm", *reviews(scratch, 25_000), "name=cache"])

    def seconds() -> float:
        start = time.perf_counter()
        build_data(config).prepare_data()
        return time.perf_counter() - start

    first = seconds()
    yield f"25,000 reviews: {first:.1f} s to tokenise, {seconds():.2f} s from the cache (wanted 1)"


def growth(scratch: Path) -> Iterator[str]:
    """Of the whole run, which tokenises first; the network is small, so that a corpus in memory would show."""
    options = ["model=gpt", "model.width=16", "model.heads=2", "data.epoch_steps=1000", "data.vocab_size=2000"]
    options += ["trainer.max_epochs=1", "trainer.limit_val_batches=20", "trainer.limit_test_batches=20", "logger=csv"]
    peaks = [peak(["train.py", *corpus(scratch, size), *options, f"output_root={scratch}/outputs"]) for size in SIZES]
    sizes = ", ".join(f"{peak:.0f} MiB with {size}" for size, peak in zip(SIZES, peaks, strict=True))
    yield (
        f"peak memory by size of the corpus in MiB: {sizes}; largest over smallest {max(peaks) / min(peaks):.2f} "
        "(wanted 1.10)"
    )
