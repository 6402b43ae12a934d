"""A run on trial: it is started, stopped in some way, and gone on with as a user would, until it ends."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from fakes import FAKES

from chaos.end import differences, end_of
from chaos.job import HANGS, Job, warm_up
from chaos.scenarios import EVERY, SCENARIOS
from litmus.folder import list_runs, read_record


@dataclass
class Reference:
    """The same run, left in peace."""

    begins: float  # seconds until its first checkpoint
    seconds: float
    size: int  # bytes
    end: dict[str, Any]


def must(kept: bool, promise: str, *but: object) -> None:
    if not kept:
        raise AssertionError(f"it must {promise}, but: {but}")


class Trial:
    """A run with data and outputs of its own.

    Args:
        root: A new folder for all of it.
        more: Overrides besides the scenario's.
        reference: None for the reference itself.
    """

    def __init__(self, root: Path, scenario: str, more: str, reference: Reference | None) -> None:
        self.root, self.outputs, self.log = root, root / "outputs", root / "log"
        logger = "" if "logger=" in more else "logger=csv"
        self.scenario = scenario
        self.options = f"{EVERY} {logger} {SCENARIOS[scenario]} {more}".split()
        self.torn = 0  # kills that left a half-written checkpoint
        if reference is not None:
            self.reference = reference

    @cached_property
    def data(self) -> list[str]:
        """Makes the files up."""
        root = self.root / "data"
        root.mkdir(parents=True)
        name = next(option[5:] for option in self.options if option.startswith("data="))
        made = FAKES.get(self.scenario, FAKES[name])  # which of the data that shards may be
        return [f"data_root={root}", *made(root)]

    @property
    def folder(self) -> Path | None:
        """The run's, as soon as there is something to go on with."""
        runs = list_runs(self.outputs)
        return runs[-1] if runs else None

    @property
    def record(self) -> dict[str, Any]:
        return read_record(self.folder) if self.folder else {"status": "not begun"}

    @property
    def checkpoints(self) -> list[Path]:
        """Those of a step, oldest first."""
        return sorted(self.outputs.glob("*/checkpoints/step-*.ckpt"))

    def files(self, pattern: str) -> set[object]:
        """What stands among the checkpoints, by name and inode."""
        found = set()
        for path in self.outputs.glob(f"*/checkpoints/{pattern}"):
            with contextlib.suppress(FileNotFoundError):
                found.add((path.name, path.stat().st_ino))
        return found

    def go_on(self, **environment: str) -> Job:
        """What a user types: `resume=ID`, or the whole command again if nothing came of it."""
        run = [f"resume={self.folder.name}"] if self.folder else [*self.options, *self.data]
        return Job([*run, f"output_root={self.outputs}"], self.log, environment)

    def begin(self) -> Job:
        """Goes on, and waits until the run knows that it is running."""
        job = self.go_on()
        self.wait_until(job, lambda: self.record.get("pid") == job.pid)
        return job

    def wait_until(self, job: Job, condition: Callable[[], object]) -> bool:
        """Whether it came true before the job ended."""
        deadline = time.monotonic() + HANGS
        while not condition():
            if job.has_ended:
                return False
            if time.monotonic() > deadline:
                raise AssertionError(f"it hung; it said {job.said}")
            time.sleep(0.0002)
        return True

    def kill(self, job: Job) -> None:
        job.kill()
        self.torn += bool(self.files("*.tmp"))

    def must_succeed(self, job: Job) -> None:
        code = job.exit_code()
        must(code == 0, "end with exit code 0", code, job.said)

    def must_be_refused(self, job: Job, sentence: str) -> None:
        """With exit code 1 and one sentence."""
        code = job.exit_code()
        errors = [line for line in job.said.splitlines() if line.startswith("error: ")]
        as_it_should = code == 1 and len(errors) == 1 and sentence in errors[0] and "Traceback" not in job.said
        must(as_it_should, f"say {sentence!r}, nothing else, and end with exit code 1", code, job.said)

    def must_end_the_same(self) -> None:
        """As if nothing had happened to it."""
        if self.record["status"] != "done":
            self.must_succeed(self.go_on())
        found = list(islice(differences(self.reference.end, end_of(self.outputs / self.record["id"])), 5))
        must(not found, "end as the undisturbed run does", found, self.root)


def undisturbed(root: Path, scenario: str, more: str) -> Reference:
    """Runs a scenario from its start to its end."""
    trial = Trial(root, scenario, more, None)
    warm_up()
    start = time.monotonic()
    job = trial.go_on()
    trial.wait_until(job, lambda: trial.checkpoints)
    begins = time.monotonic() - start
    trial.must_succeed(job)
    seconds = time.monotonic() - start
    assert trial.folder is not None
    size = sum(path.stat().st_size for path in trial.folder.rglob("*"))
    return Reference(begins, seconds, size, end_of(trial.folder))
