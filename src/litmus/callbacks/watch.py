"""A rank that is lost takes the run with it, as failed: the others would wait for it for ever."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

from pytorch_lightning import Callback, LightningModule, Trainer

from litmus.run import Run, close_wandb

Others = Sequence["subprocess.Popen[bytes]"]
EVERY = 1.0  # seconds between two looks
GRACE = 20.0  # seconds for a rank to notice by itself, and say why


class Watch(Callback):
    """Looks after the processes that Lightning started, in place of Lightning's own observer, which would kill rank 0
    before it has closed its record."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        started: list[subprocess.Popen[bytes]] = getattr(trainer.strategy.launcher, "procs", [])
        if started:
            threading.Thread(target=self._watch, args=(tuple(started),)).start()
            started.clear()  # the observer holds the same list, and ends when there is nothing in it

    def _watch(self, others: Others) -> None:
        while not self.run.ended.wait(EVERY):
            for rank, process in enumerate(others, 1):
                if process.poll():
                    self._end(f"rank {rank} ended with code {process.returncode}", others)
        for process in others:
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:  # in wait for rank 0, which has failed
                process.kill()

    def _end(self, message: str, others: Others) -> None:
        """Rank 0 mostly fails by itself, for want of the lost one."""
        if not self.run.ended.wait(GRACE):
            self.run.fail(message)
            print(f"error: {message}, and the others wait for it", file=sys.stderr, flush=True)
            for process in others:
                process.kill()
            close_wandb(failed=True)
            os.kill(os.getpid(), signal.SIGKILL)
