"""A rank that is lost takes the run with it, as failed: the others would wait for it for ever."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

from pytorch_lightning import Callback, LightningModule, Trainer

from litmus.run import Run

EVERY = 1.0  # seconds between two looks
GRACE = 10.0  # seconds for rank 0 to notice by itself, and say why


class Watch(Callback):
    """Looks after the processes that Lightning started, in place of Lightning's own observer, which would kill rank 0
    before it has closed its record."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        started: list[subprocess.Popen[bytes]] = getattr(trainer.strategy.launcher, "procs", [])
        if started:
            threading.Thread(target=self._watch, args=(tuple(started),), daemon=True).start()
            started.clear()  # the observer holds the same list, and ends when there is nothing in it

    def _watch(self, others: Sequence["subprocess.Popen[bytes]"]) -> None:
        while not self.run.ended.wait(EVERY):
            for rank, process in enumerate(others, 1):
                if process.poll():
                    self._end(f"rank {rank} ended with code {process.returncode}", others)
                    return

    def _end(self, message: str, others: Sequence["subprocess.Popen[bytes]"]) -> None:
        self.run.update(status="failed", error={"type": "RankLost", "message": message, "traceback": ""})
        if not self.run.ended.wait(GRACE):
            print(f"error: {message}, and the others wait for it", file=sys.stderr, flush=True)
            for process in others:
                process.kill()
            os.kill(os.getpid(), signal.SIGKILL)
