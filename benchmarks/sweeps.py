"""what -m adds to the runs that it starts: CPU seconds a job, those of the parent and its memory, and two at once"""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from litmus.provenance import cores

ROOT = Path(__file__).parents[1]
RUN = ["model=mlp", "data=digits", "epochs=2", "trainer=cpu", "threads=1", "logger=csv"]
JOBS = 4
MANY = 200


def measure(scratch: Path) -> Iterator[str]:
    plain = [used(["train.py", *RUN, f"seed={seed}", f"output_root={scratch}/plain"]) for seed in range(JOBS)]
    seeds = f"seed=range({JOBS})"
    one = used(["train.py", "-m", *RUN, seeds, f"output_root={scratch}/one", "hydra.launcher.jobs=1"])
    two = used(["train.py", "-m", *RUN, seeds, f"output_root={scratch}/two", "hydra.launcher.jobs=2"])
    cpu, wall = (sum(each[index] for each in plain) / JOBS for index in (0, 1))
    yield f"a plain run: {cpu:.1f} CPU s, {wall:.1f} s"
    yield f"a job of -m, one at a time: {one[0] / JOBS - cpu:+.2f} CPU s, {one[1] / JOBS - wall:+.2f} s"
    yield f"two at a time: {one[1] / two[1]:.2f} times as fast as one, on {cores()} cores"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.many_jobs", str(MANY), str(scratch / "many")],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    yield f"the parent of {MANY} jobs, each of which does nothing: {done.stdout.splitlines()[-1]}"


def used(arguments: Sequence[str]) -> tuple[float, float]:
    """CPU seconds and seconds of a command with all that it starts."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - start
