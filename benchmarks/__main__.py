"""The README's figures of speed, as ratios within one run: `make bench`, or `python -m benchmarks [NAME ...]`."""

import sys
import tempfile
from pathlib import Path

from benchmarks import (
    exactness,
    gpu,
    leaving,
    memory,
    prepare,
    pruning,
    runs,
    shards,
    startup,
    sweeps,
    texts,
    throughput,
)

BENCHMARKS = {
    "startup": startup,
    "throughput": throughput,
    "exactness": exactness,
    "memory": memory,
    "texts": texts,
    "prepare": prepare,
    "sweeps": sweeps,
    "pruning": pruning,
    "runs": runs,
    "shards": shards,
    "gpu": gpu,
    "leaving": leaving,
}
WHEN_ASKED = ("pruning",)  # it takes an hour


def main() -> None:
    names = sys.argv[1:] or [name for name in BENCHMARKS if name not in WHEN_ASKED]
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}: there is {', '.join(BENCHMARKS)}")
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            print(f"\n{name}: {BENCHMARKS[name].__doc__}", flush=True)
            for line in BENCHMARKS[name].measure(Path(scratch)):
                print(f"  {line}", flush=True)


if __name__ == "__main__":
    main()
