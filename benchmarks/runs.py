"""seconds of `litmus runs` on 1,000 run folders as a run leaves them, with conditions"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.throughput import ROOT

COUNT, MOST = 1000, 1.0
PATCH = "diff --git a/x b/x\n" * 100  # of uncommitted changes, as a record has them


def measure(scratch: Path) -> Iterator[str]:
    compose = [sys.executable, "train.py", "--cfg", "job"]
    config = subprocess.run(compose, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for number in range(COUNT):
        folder = scratch / "runs" / f"{number:04}"
        folder.mkdir(parents=True)
        metrics = {f"val/metric{index}": number / (index + 1) for index in range(10)} | {
            "test/accuracy": number / COUNT
        }
        record = {"id": folder.name, "status": "done", "started": folder.name, "seconds": 9.0, "metrics": metrics}
        (folder / "run.json").write_text(json.dumps({**record, "git": {"commit": "0" * 40, "patch": PATCH}}))
        (folder / "config.yaml").write_text(config)
    for words in ([], ["test/accuracy>0.5", "--sort", "test/accuracy"], ["model.hidden>=64", "optimizer.lr<0.1"]):
        start = time.perf_counter()
        command = [sys.executable, "-m", "litmus.cli", "--root", str(scratch / "runs"), "runs", "list", *words]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        yield f"litmus runs list {' '.join(words)}: {time.perf_counter() - start:.2f} s (wanted {MOST:.0f})"
