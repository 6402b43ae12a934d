"""One `python train.py ...` that can be ended at any moment: it starts in a fraction of a second, in a session of its
own, so that a signal reaches its loader workers and its other ranks as well."""

import contextlib
import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
HANGS = 180.0  # seconds after which a run that should end is taken to hang
PRELOADED = [  # what takes seconds to import is imported once, by the server that the jobs are forked from
    "litmus.build", "litmus.command", "litmus.callbacks.record", "litmus.callbacks.report", "litmus.models.stems",
    "litmus.tasks.classification", "litmus.tasks.forecasting", "litmus.tasks.language_modelling",
    "litmus.tasks.regression", "litmus.data.images.image_data", "litmus.data.series.series_data",
    "litmus.data.shards.prepared_data",
    "litmus.data.texts.corpus_data", "litmus.data.texts.text_data", "matplotlib.pyplot", "sklearn.datasets",
]  # fmt: skip
FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(PRELOADED)


class Job:
    """A run of train.py in the background.

    Args:
        log: Collects what it says, after what stands there already.
        environment: Variables of its own.
    """

    def __init__(self, options: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.log, self.begins = log, log.stat().st_size if log.exists() else 0
        self.process = FORKSERVER.Process(target=train_py, args=(options, log, environment))
        self.process.start()
        assert self.process.pid is not None
        self.pid = self.process.pid

    @property
    def said(self) -> str:
        return self.log.read_text()[self.begins :] if self.log.exists() else ""

    @property
    def has_ended(self) -> bool:
        return self.process.exitcode is not None

    def ends_within(self, seconds: float) -> bool:
        self.process.join(seconds)
        return self.has_ended

    def exit_code(self) -> int:
        """Waits for the end."""
        if not self.ends_within(HANGS):
            self.kill()
            raise AssertionError(f"it hung for {HANGS} s; it said {self.said}")
        assert self.process.exitcode is not None
        return self.process.exitcode

    def send(self, signum: int) -> None:
        """To every process of the session."""
        with contextlib.suppress(ProcessLookupError):
            try:
                os.killpg(self.pid, signum)
            except ProcessLookupError:  # it has not come to have a session, or has ended
                os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.process.join()
        deadline = time.monotonic() + 1
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < deadline:  # for the workers and other ranks to be gone
                os.killpg(self.pid, 0)
                time.sleep(0.002)


def warm_up() -> None:
    """Waits until all is imported."""
    process = FORKSERVER.Process(target=os.getpid)
    process.start()
    process.join()


def train_py(options: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
    """In the new process: `python train.py OPTIONS`."""
    os.setsid()
    multiprocessing.set_start_method(None, force=True)  # of its workers, as everywhere: not that of this process
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background is often told to ignore it
    with open(log, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.argv = [str(ROOT / "train.py"), *options]
    runpy.run_path(sys.argv[0], run_name="__main__")
