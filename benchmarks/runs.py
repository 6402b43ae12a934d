"""seconds of `litmus runs` on 1,000 run folders, conditions on the record and on the configuration"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.throughput import ROOT

COUNT, MOST = 1000, 1.0
PATCH = "diff --git a/x b/x\n" * 100  # of uncommitted changes, as a record has them
LAYERS = {f"layer{number}": {"width": number, "kernel": [3, 3]} for number in range(40)}


def measure(scratch: Path) -> Iterator[str]:
    for number in range(COUNT):
        folder = scratch / "runs" / f"{number:04}"
        folder.mkdir(parents=True)
        metrics = {f"val/metric{index}": number / (index + 1) for index in range(10)} | {
            "test/accuracy": number / COUNT
        }
        record = {"id": folder.name, "status": "done", "started": folder.name, "seconds": 9.0, "metrics": metrics}
        (folder / "run.json").write_text(json.dumps({**record, "git": {"commit": "0" * 40, "patch": PATCH}}))
        (folder / "config.yaml").write_text(json.dumps({"seed": number, "model": LAYERS}))
    for words in ([], ["test/accuracy>0.5", "--sort", "test/accuracy"], ["model.layer7.width=7"]):
        start = time.perf_counter()
        command = [sys.executable, "-m", "litmus.cli", "--root", str(scratch / "runs"), "runs", "list", *words]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        yield f"litmus runs list {' '.join(words)}: {time.perf_counter() - start:.2f} s (wanted {MOST:.0f})"
