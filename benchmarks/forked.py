"""`python -m benchmarks.forked OVERRIDES`: a search whose runs are forks of a process that has imported all they need,
for when the runs are short and what counts is what the search makes of them."""

import os
import runpy
import signal
import sys
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from benchmarks.many_jobs import Launcher
from litmus.config import CONF, register
from litmus.sweeps.job import Job
from litmus.sweeps.start import start_search

AT_ONCE = 2


class Forks:
    """An executor."""

    def __init__(self, trainer: DictConfig) -> None:
        self.running: dict[Job, int] = {}

    @property
    def room(self) -> int:
        return AT_ONCE - len(self.running)

    def start(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self.running[job] = os.fork() or self._become(job)

    def ended(self) -> list[Job]:
        done = [job for job, pid in self.running.items() if os.waitpid(pid, os.WNOHANG)[0]]
        for job in done:
            del self.running[job]
        return done

    def adopts(self, job: Job) -> bool:
        return False

    def send(self, jobs: Sequence[Job], signum: int) -> None:
        for job in jobs:
            os.kill(self.running[job], signum)

    def _become(self, job: Job) -> int:
        """Train, and never come back."""
        log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.update({**job.environment(), "OMP_NUM_THREADS": "1"})
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_DFL)
        sys.argv = job.command([str(CONF.parent / "train.py")])
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        finally:
            os._exit(1)


def main(overrides: list[str]) -> None:
    import pytorch_lightning  # noqa: F401
    import torchmetrics  # noqa: F401

    import litmus.build
    import litmus.tasks.classification  # noqa: F401

    register()
    start_search(Launcher(overrides, Forks), OverridesParser.create().parse_overrides(overrides))


if __name__ == "__main__":
    main(sys.argv[1:])
