"""what pruning leaves of a search's compute and result: 5 times 30 trials of digits_quick with it and without"""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from litmus.folder import read_metrics

ROOT = Path(__file__).parents[1]
REPEATS, TRIALS, MOST = 5, 30, 0.45
FIXED = ["sweep=digits_quick", f"sweep.trials={TRIALS}", "logger=csv", "threads=1"]


def measure(scratch: Path) -> Iterator[str]:
    shares, found = [], []
    for seed in range(REPEATS):
        spent, best = search(scratch, seed, [])
        whole, best_of_all = search(scratch, seed, ["sweep/pruner=none"])
        shares.append(spent / whole)
        found.append((best, best_of_all))
        yield f"seed {seed}: {spent} of {whole} epochs; best val/loss {best:.4f}, without pruning {best_of_all:.4f}"
    differences = [with_it - without for with_it, without in found]
    noise = statistics.stdev(without for _, without in found)
    yield (
        f"{statistics.mean(shares):.0%} of the compute ({min(shares):.0%} to {max(shares):.0%}; wanted {MOST:.0%}); "
        f"best val/loss {statistics.mean(differences):+.4f}, which without pruning varies by {noise:.4f} (sd)"
    )


def search(scratch: Path, seed: int, more: list[str]) -> tuple[int, float]:
    """Epochs over all trials, and the best loss."""
    root = scratch / f"pruning-{seed}-{len(more)}"
    command = [sys.executable, "-m", "benchmarks.forked", *FIXED, f"sweep.seed={seed}", *more, f"output_root={root}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (summary,) = root.glob(".sweeps/*/summary.json")
    files = [read_metrics(run / "metrics.csv") for run in root.iterdir() if (run / "run.json").exists()]
    epochs = sum(row["metric"] == "val/loss" for rows in files for row in rows)
    return epochs, json.loads(summary.read_text())["best"][0]["val/loss"]
