"""CPU seconds until an answer that needs no torch"""

import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROUNDS = 7


def measure(scratch: Path) -> Iterator[str]:
    commands = {"import hydra": ["-c", "import hydra"], "--help": ["train.py", "--help"]}
    commands |= {"--cfg job": ["train.py", "--cfg", "job"], "litmus runs list": ["-m", "litmus.cli", "runs", "list"]}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, arguments in commands.items():
            times[name].append(cpu_seconds(arguments))
    medians = {name: statistics.median(values) for name, values in times.items()}
    limit = 1.5 * medians["import hydra"] + 0.3
    yield f"import hydra: {medians.pop('import hydra'):.2f} s, so the limit (1.5 times and 0.3 s) is {limit:.2f} s"
    for name, seconds in medians.items():
        yield f"{name}: {seconds:.2f} s"


def cpu_seconds(arguments: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
    if arguments[0] != "-c" and not done.stdout:
        raise RuntimeError(f"{arguments} answered nothing")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
