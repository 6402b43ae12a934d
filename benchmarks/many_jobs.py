"""`python -m benchmarks.many_jobs NUMBER FOLDER`: what a grid costs its parent, if its jobs do nothing."""

import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.plugins import Plugins
from hydra.core.utils import setup_globals
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from litmus.config import CONF, register
from litmus.sweeps.processes import Processes, slots
from litmus.sweeps.queue import Executor
from litmus.sweeps.start import start_grid

JOB = """\
import json, os, pathlib, sys
job = pathlib.Path(os.environ["LITMUS_JOB"])
run = job.parents[2] / job.name
run.mkdir()
(run / "run.json").write_text(json.dumps({"status": "done", "heartbeat": "2026-01-01T00:00:00+00:00"}))
(job / "run").write_text(job.name)
"""


class Launcher:
    """What Hydra would make of a launcher of ours, with another executor."""

    retry_failed = False

    def __init__(self, overrides: Sequence[str], executor: Callable[[DictConfig], Executor]) -> None:
        setup_globals()
        Plugins.instance()
        loader = ConfigLoaderImpl(create_config_search_path(str(CONF)))
        self.context = HydraContext(config_loader=loader, callbacks=None)  # type: ignore[arg-type]
        self.config: DictConfig = loader.load_configuration("config", list(overrides), RunMode.MULTIRUN)
        self.executor = executor


def processes(trainer: DictConfig) -> Processes:
    return Processes([sys.executable, "-S", "-c", JOB], slots(trainer, 2, None))


def main(number: int, root: Path) -> None:
    register()
    start = time.perf_counter()
    points = [[f"seed={seed}", f"output_root={root}"] for seed in range(number)]
    start_grid(Launcher([f"output_root={root}"], processes), points)
    own = resource.getrusage(resource.RUSAGE_SELF)
    seconds = time.perf_counter() - start
    print(f"{own.ru_utime + own.ru_stime:.1f} CPU s in {seconds:.0f} s, {own.ru_maxrss / 1024:.0f} MB at most")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
