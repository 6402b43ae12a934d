"""Keeps an executor busy with the jobs of a source until there are none left."""

import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Protocol, runtime_checkable

from litmus.signals import PRUNE, Stopped, stop
from litmus.sweeps.job import ENDED, Adopts, Job, Outcome
from litmus.sweeps.table import Table

POLL = 0.1  # seconds
STOPPED = Outcome("interrupted", "", {})


@runtime_checkable
class Source(Protocol):
    """Says what is run next, and learns how it ended."""

    def next(self, adopts: Adopts) -> Job | None:
        """The next job, claimed; None if there is none at the moment."""

    def more(self) -> bool:
        """Whether another may come, even if nothing is running."""

    def is_promising(self, job: Job) -> bool:
        """Whether a job that is running should go on."""

    def tell(self, job: Job, outcome: Outcome) -> None:
        """How it ended."""


@runtime_checkable
class Executor(Protocol):
    """Runs jobs."""

    @property
    def room(self) -> int:
        """How many more it takes."""

    def adopts(self, job: Job) -> bool:
        """Whether a sweep that is gone started it and it is still to come, or runs: then starting it is to watch it."""

    def start(self, jobs: Sequence[Job]) -> None:
        """At once, all of them."""

    def ended(self) -> list[Job]:
        """Those that did since the last call."""

    def send(self, jobs: Sequence[Job], signum: int) -> None:
        """A signal to some that were started; SIGTERM also keeps back what waits, SIGKILL ends everything."""


def work_off(source: Source, executor: Executor, table: Table) -> None:
    """Runs all jobs. What fails is shown when it happens, and the rest goes on.

    The first signal has every job leave a checkpoint and ends the sweep; the second one kills them.

    Raises:
        Stopped: If a signal came.
    """
    running: list[Job] = []
    unpromising: set[Job] = set()
    stop.listen()
    stop.after_step = True  # signals are noted, and seen to below
    with ExitStack() as afterwards:
        afterwards.callback(stop.leave)
        afterwards.callback(lambda: _kill(running, executor))
        afterwards.enter_context(table)
        asked = False
        while running or (stop.asked is None and source.more()):
            if stop.asked is None:
                _start(source, executor, running, table)
            elif not asked:
                asked = True
                executor.send(running, signal.SIGTERM)
            for job in executor.ended():
                running.remove(job)
                outcome = _outcome(job, asked)
                source.tell(job, outcome)
                table.ended(job, outcome)
                job.release()
            found = [job for job in running if job not in unpromising and not source.is_promising(job)]
            if found:
                unpromising.update(found)
                executor.send(found, PRUNE)
            table.refresh()
            time.sleep(POLL)
        if stop.asked is not None:
            print("the same command goes on with what was stopped", file=sys.stderr)
            raise Stopped(stop.asked)


def _outcome(job: Job, asked: bool) -> Outcome:
    """What is stopped by the sweep goes on with the next one; what stopped otherwise, or can't go on, has failed."""
    if asked and job.status not in ENDED:
        return STOPPED
    outcome = job.outcome()
    if outcome.status == "interrupted":
        return Outcome("failed", f"it was interrupted: {job.last_words()}", outcome.record)
    return outcome


def _start(source: Source, executor: Executor, running: list[Job], table: Table) -> None:
    chosen: list[Job] = []
    while len(chosen) < executor.room and (job := source.next(executor.adopts)):
        chosen.append(job)
        table.started(job)
    running += chosen
    if chosen:
        executor.start(chosen)


def _kill(running: list[Job], executor: Executor) -> None:
    executor.send(running, signal.SIGKILL)
    for job in running:
        job.release()
