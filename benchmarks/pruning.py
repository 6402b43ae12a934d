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
    found: dict[str, list[tuple[int, float]]] = {"asha": [], "none": []}
    for pruner, results in found.items():
        for seed in range(REPEATS):
            epochs, best = search(scratch, seed, pruner)
            results.append((epochs, best))
            yield f"pruner={pruner}, seed {seed}: {epochs} epochs, best val/loss {best:.4f}"
    shares = [pruned / whole for (pruned, _), (whole, _) in zip(*found.values(), strict=True)]
    pruned, whole = ([best for _, best in results] for results in found.values())
    yield f"{statistics.mean(shares):.0%} of the epochs ({min(shares):.0%} to {max(shares):.0%}; wanted {MOST:.0%})"
    for title, values in (("with it", pruned), ("without", whole)):
        yield f"best val/loss {title}: {statistics.mean(values):.4f} (sd {statistics.stdev(values):.4f})"


def search(scratch: Path, seed: int, pruner: str) -> tuple[int, float]:
    """Epochs over all trials, and the best loss."""
    root = scratch / f"pruning-{seed}-{pruner}"
    words = [*FIXED, f"sweep.seed={seed}", f"sweep/pruner={pruner}", f"output_root={root}"]
    subprocess.run([sys.executable, "-m", "benchmarks.forked", *words], cwd=ROOT, check=True, capture_output=True)
    (summary,) = root.glob(".sweeps/*/summary.json")
    files = [read_metrics(run / "metrics.csv") for run in root.iterdir() if (run / "run.json").exists()]
    epochs = sum(row["metric"] == "val/loss" for rows in files for row in rows)
    return epochs, json.loads(summary.read_text())["best"][0]["val/loss"]
